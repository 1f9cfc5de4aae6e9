// Checks dashboards by the types that Grafana publishes: `node schema.mjs FILE...` prints what is wrong, and nothing else.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import { createGenerator } from "ts-json-schema-generator";

const here = dirname(fileURLToPath(import.meta.url));
const types = join(here, "node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen.d.ts");
const generator = createGenerator({ path: types, type: "Dashboard", skipTypeCheck: true, additionalProperties: false });
const validate = new Ajv({ allErrors: true, strict: false }).compile(generator.createSchema("Dashboard"));

for (const file of process.argv.slice(2)) {
  if (validate(JSON.parse(readFileSync(file, "utf8")))) continue;
  for (const { instancePath, message, params } of validate.errors) {
    console.log(`${file}: ${instancePath} ${message} ${JSON.stringify(params)}`);
  }
}
