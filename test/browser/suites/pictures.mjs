// The pictures of the READMEs. They are written where run is called with --pictures,
// and only then, so that a test leaves no file changed.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { desktop, visit } from "../lib/browser.mjs";
import { demo } from "../lib/server.mjs";
import { stage, story } from "../lib/stage.mjs";

const into = process.env.DAOZHANG_PICTURES;

/** No picture of a README is larger, in bytes. */
const most = 200_000;

/** What is shown, and how to come to it. */
const scenes = [
  { name: "overview", go: (page) => page.goto("/overview") },
  {
    name: "trail",
    go: async (page, { references }) => page.goto(`/?q=${Object.values(references)[2].rrn}`),
  },
  { name: "exceptions", go: (page) => page.goto("/exceptions") },
];

/** Takes the window as WebP, which keeps a page of text sharp in a tenth of a PNG's bytes. */
async function take(context, page, file) {
  await page.evaluate(() => document.fonts.ready);
  const debug = await context.newCDPSession(page);
  const { data } = await debug.send("Page.captureScreenshot", { format: "webp", quality: 90 });
  const picture = Buffer.from(data, "base64");
  assert.ok(picture.length < most, `${file}: ${picture.length} bytes`);
  await writeFile(file, picture);
}

describe("pictures", { skip: !into && "run --pictures writes them" }, () => {
  for (const lang of ["en", "zh"]) {
    test(lang, async () => {
      const told = lang === "en" ? await story() : await demo(lang);
      try {
        for (const dark of [false, true]) {
          for (const { name, go, size = desktop } of scenes) {
            await visit(stage.browser, told.origin, { lang, dark, size, sharp: 1.5 }, async (page, context) => {
              await go(page, told);
              await take(context, page, path.join(into, `${name}.${lang}.${dark ? "dark" : "light"}.webp`));
            });
          }
        }
      } finally {
        if (lang !== "en") await told.program.stop();
      }
    });
  }
});
