// Follows a job and prints what comes, until it is killed: node killed-client.js PROFILE ID.
import { connectionFor } from "../../src/client/credentials.ts";
import { loadProfile } from "../../src/client/profile.ts";
import { Api } from "./api-client.ts";

const [, , profile, id = "0"] = process.argv;
const api = new Api(connectionFor(loadProfile({ profile }, {}, "/nonexistent")));
for await (const { response } of api.log({ id: BigInt(id) })) {
  if (response?.$case === "success") process.stdout.write(response.value.stdout);
}
