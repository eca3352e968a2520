// The console as people use it: in a real browser, over a real `daozhang demo` and
// `daozhang serve`. Nothing here sleeps; each wait is for something to be seen.
import { after, before } from "node:test";
import { raise, strike } from "./lib/stage.mjs";

before(raise, { timeout: 300_000 });
after(strike);

await import("./suites/find.mjs");
await import("./suites/screens.mjs");
await import("./suites/people.mjs");
await import("./suites/pictures.mjs");
