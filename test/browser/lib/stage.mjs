// What all suites share: one browser, and one story, told to its end when somebody
// first wants to look at it. A suite that changes what others look at starts a
// server of its own.
import { demo } from "./server.mjs";
import { launch, visit } from "./browser.mjs";

export const stage = { browser: undefined, demo: undefined };

export async function raise() {
  stage.browser = await launch();
}

export async function strike() {
  await Promise.all([stage.browser?.close(), stage.demo?.program.stop()]);
}

let telling;

/** The story, see demo in server.mjs. */
export async function story() {
  stage.demo = await (telling ??= demo());
  return stage.demo;
}

/** Opens a page of the demo, see visit. */
export const look = async (options, use) => visit(stage.browser, (await story()).origin, options, use);
