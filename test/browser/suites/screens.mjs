// What holds for every screen: both languages, both themes, a phone, no script, and
// no serious finding about accessibility.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { accessible } from "../lib/axe.mjs";
import { overhang, phone, sticking } from "../lib/browser.mjs";
import { look, stage } from "../lib/stage.mjs";

/** The screens of the institution's menu, which have to be there. */
const menu = ["/", "/overview", "/payments", "/r"];

/** Screens that the menu does not lead to at once: the way there from one that it does. */
const inside = [
  { name: "hits of a search", path: () => "/?q=88.00" },
  { name: "a search without a hit", path: () => "/?q=000000000000" },
  { name: "the trail of a payment that arrived", path: () => `/?q=${stage.demo.references["it has arrived"].rrn}` },
  { name: "the trail of a payment that was taken back", path: () => `/?q=${stage.demo.references["taken back"].rrn}` },
  { name: "the trail of a payment that is held", path: () => `/?q=${stage.demo.references["held"].rrn}` },
  { name: "the payments that need someone", path: () => "/payments?needs=1" },
  { name: "a list without a row", path: () => "/payments?terminal=NOSUCH00" },
  { name: "an address that leads nowhere", path: () => "/nothing-here", expects: [404] },
];

/** Han characters outside what is marked as being in another language. */
const han = () => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (/\p{Script=Han}/u.test(n.data) && !e.closest("[lang]:not([lang='en']):not(html), code, pre, script") && e.getClientRects().length) found.push(n.data.trim());
  }
  return found;
};

/** Headings, column heads, labels and buttons that are in English alone. */
const untranslated = () =>
  [...document.querySelectorAll("h1, h2, h3, thead th, label, button, summary, nav a, dt")]
    .map((e) => [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join(" ").trim())
    .filter((text) => /[a-z]{3}/.test(text) && !/\p{Script=Han}/u.test(text));

const screens = () => [...menu.map((path) => ({ name: path, path: () => path })), ...inside];

describe("every screen", () => {
  test("the menu leads to every screen, and none is without its entry", () =>
    look({}, async (page) => {
      await page.goto("/");
      const links = await page.locator("nav").first().getByRole("link").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
      assert.deepEqual(menu.filter((path) => !links.includes(path)), [], `missing among ${links}`);
      assert.deepEqual(links.filter((path) => !menu.includes(path)), [], "screens that these tests do not know");
    }));

  for (const { name, path, expects = [] } of screens()) {
    describe(name, () => {
      for (const dark of [false, true]) {
        test(`no serious finding about accessibility, ${dark ? "dark" : "light"}`, () =>
          look({ dark, expects }, async (page) => {
            await page.goto(path());
            await accessible(page, `${name} ${dark ? "dark" : "light"}`, { colours: dark });
          }));
      }
      test("fits a phone", () =>
        look({ size: phone, expects }, async (page) => {
          await page.goto(path());
          assert.equal(await overhang(page), 0, `sticks out: ${(await sticking(page)).join(" · ")}`);
        }));
      test("speaks English and Chinese", async () => {
        const english = await look({ expects }, async (page) => {
          await page.goto(path());
          assert.equal(await page.locator("html").getAttribute("lang"), "en");
          assert.deepEqual(await page.evaluate(han), [], "Chinese in the English page");
          return page.locator("h1").first().innerText();
        });
        await look({ lang: "zh", expects }, async (page) => {
          await page.goto(path());
          assert.match(await page.locator("html").getAttribute("lang"), /^zh/);
          assert.deepEqual(await page.evaluate(untranslated), [], "English in the Chinese page");
          assert.match(await page.locator("h1").first().innerText(), /[\p{Script=Han}¥]/u, english);
        });
      });
      test("says the same without JavaScript", async () => {
        const words = async (page) => {
          await page.goto(path());
          // Moments move on between two visits, and so do ages.
          return (await page.locator("main").innerText()).replace(/\d\d:\d\d(:\d\d)?/g, "hh:mm").replace(/\s+/g, " ");
        };
        const [without, with_] = await Promise.all([false, true].map((script) => look({ script, expects }, words)));
        assert.deepEqual(without.match(/.{1,120}/g), with_.match(/.{1,120}/g));
      });
    });
  }
});
