// In a bundle in CommonJS this stands for import.meta.url, and is there only where that is asked for.
import { pathToFileURL } from "node:url";

export const bundleUrl = /* @__PURE__ */ pathToFileURL(__filename).href;
