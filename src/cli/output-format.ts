import { type Command, Option } from "commander";

export interface OutputFormat {
  readonly output?: "json";
}

export function addOutputFormat(command: Command): Command {
  return command.addOption(new Option("-o, --output <FORMAT>", "one JSON document in place of text").choices(["json"]));
}
