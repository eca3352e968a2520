// What all suites share: one browser, and one story told to its end. A suite that
// changes what others look at starts a server of its own.
import { demo } from "./server.mjs";
import { launch, visit } from "./browser.mjs";

export const stage = { browser: undefined, demo: undefined };

export async function raise() {
  stage.browser = await launch();
  stage.demo = await demo();
}

export async function strike() {
  await Promise.all([stage.browser?.close(), stage.demo?.program.stop()]);
}

/** Opens a page of the demo, see visit. */
export const look = (options, use) => visit(stage.browser, stage.demo.origin, options, use);
