import { fileURLToPath } from "node:url";

/** The clerk that comes with the package. */
export const bundledModel = fileURLToPath(new URL("../../models/clerk/clerk-q8_0.gguf", import.meta.url));
