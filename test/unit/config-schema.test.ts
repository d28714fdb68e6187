import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { configSchemaText } from "../../src/server/config.ts";
import { suite } from "../support/suite.ts";

const test = suite("published configuration schema");

test("docs/config.schema.json is what the server checks with (npm run gen:schema)", () => {
  const published = JSON.parse(readFileSync("docs/config.schema.json", "utf8"));
  assert.equal(published, JSON.parse(configSchemaText()));
});

test("it refuses unknown keys at every level", () => {
  const schema = JSON.parse(configSchemaText());
  assert.is(schema.additionalProperties, false);
  assert.is(schema.properties.defaults.additionalProperties, false);
  assert.is(schema.properties.folders.items.additionalProperties, false);
});
