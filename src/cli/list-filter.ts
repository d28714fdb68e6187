// `podium ps --filter KEY=VALUE`: each one narrows what is listed.
import { InvalidArgumentError } from "commander";
import { type ListFilter, State } from "../gen/podium.ts";

const states: readonly string[] = Object.values(State).filter((state) => state !== State.UNRECOGNIZED);
const nothing: ListFilter = { labels: [], states: [], users: [], names: [] };

export function filterOf(text: string, previous: ListFilter = nothing): ListFilter {
  const cut = text.indexOf("=");
  const [key, value] = [text.slice(0, Math.max(0, cut)), text.slice(cut + 1)];
  if (value === "")
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not KEY=VALUE; write it like label=web.`);
  switch (key) {
    case "label":
      return { ...previous, labels: [...previous.labels, value] };
    case "user":
      return { ...previous, users: [...previous.users, value] };
    case "name":
      return { ...previous, names: [...previous.names, value] };
    case "state":
      return { ...previous, states: [...previous.states, stateOf(value)] };
    default:
      throw new InvalidArgumentError(`${JSON.stringify(key)} is no filter; use label, name, state or user.`);
  }
}

function stateOf(text: string): State {
  const state = text.toUpperCase();
  if (states.includes(state)) return state as State;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is no state; use one of ${states.join(", ")}.`);
}
