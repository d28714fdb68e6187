// Writes docs/config.schema.json from the shape that the server checks its configuration with (needs `npm run build`).
import { writeFileSync } from "node:fs";
import { configSchemaText } from "../build/src/server/config.js";

writeFileSync(new URL("../docs/config.schema.json", import.meta.url), configSchemaText());
