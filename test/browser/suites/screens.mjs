// What holds for every screen: both languages, both themes, a phone, no script, and
// no serious finding about accessibility. The screens are found as a person finds
// them, by the menu and by links, so that a new one is looked at too.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accessible } from "../lib/axe.mjs";
import { overhang, phone, sticking } from "../lib/browser.mjs";
import { look, stage } from "../lib/stage.mjs";

/** What the institution's menu has to lead to. */
const menu = ["/", "/overview", "/payments", "/payouts", "/exceptions", "/approvals", "/files", "/terms", "/developers", "/people", "/r"];

/** States of screens that no link leads to at once. */
const states = () => [
  { name: "hits of a search", path: "/?q=88.00" },
  { name: "a search without a hit", path: "/?q=000000000000" },
  ...Object.entries(stage.demo.references).map(([what, { rrn }]) => ({ name: `the trail of a payment: ${what}`, path: `/?q=${rrn}` })),
  { name: "the payments that need someone", path: "/payments?needs=1" },
  { name: "a list without a row", path: "/payments?terminal=NOSUCH00" },
  { name: "an address that leads nowhere", path: "/nothing-here", expects: [404] },
];

/** The kind of screen behind an address: two payments are one kind, two reports are two. */
function kindOf(path) {
  return path
    .split("/")
    .map((part, i) => (/\d|%|.{25}/.test(part) || (i === 2 && path.startsWith("/people/")) ? "…" : part))
    .join("/");
}

/** One screen of each kind that can be reached from the menu in three steps, by kind. */
async function crawl() {
  const found = new Map();
  await look({}, async (page, context) => {
    let paths = ["/"];
    for (let step = 0; step < 4; step++) {
      const next = [];
      for (const path of paths) {
        const kind = kindOf(path);
        if (found.has(kind) || path.endsWith("/export") || path === "/docs") continue; // the description of the API is English
        const answer = await context.request.get(path, { maxRedirects: 5 });
        if (!/text\/html/.test(answer.headers()["content-type"] ?? "")) continue;
        assert.equal(answer.status(), 200, `${path}: a link that leads nowhere`);
        found.set(kind, { name: kind, path });
        for (const [, href] of (await answer.text()).matchAll(/<a [^>]*href="(\/[^"#?]*)/g)) next.push(href);
      }
      paths = next;
    }
  });
  return found;
}

/** Han characters outside what is marked as being in another language, data, or not shown. */
const han = () => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (/\p{Script=Han}/u.test(n.data) && !e.closest("[lang]:not([lang='en']):not(html), code, pre, script, option, #bring details") && e.getClientRects().length) found.push(n.data.trim());
  }
  return found;
};

/** Headings, column heads, labels and buttons that are in English alone. */
const untranslated = () =>
  [...document.querySelectorAll("h1, h2, h3, thead th, label, button, summary, nav a, dt")]
    .filter((e) => !e.closest("code, pre, .data"))
    .map((e) => [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join(" ").trim())
    .filter((text) => /\b[a-z]{3,}/.test(text) && !/\p{Script=Han}/u.test(text) && !/[._@\/]/.test(text));

/** What a screen says, without what moves on between two visits. */
const words = async (page) =>
  (await page.locator("main").innerText())
    .replace(/\d\d:\d\d(:\d\d)?/g, "hh:mm")
    .replace(/\s+/g, " ")
    .match(/.{1,120}/g);

/** Nothing sticks out on a phone. */
const fitsPhone = async (page) => {
  await page.setViewportSize(phone);
  assert.equal(await overhang(page), 0, `sticks out on a phone: ${(await sticking(page)).join(" · ")}`);
};

/** Runs the checks of one screen, each as a test of its own. */
async function checks(t, { name, path, expects = [] }) {
  let said;
  await t.test("English, light: no serious finding, no Chinese, fits a phone", () =>
    look({ expects }, async (page) => {
      await page.goto(path);
      said = await words(page);
      assert.equal(await page.locator("html").getAttribute("lang"), "en");
      assert.equal(await page.locator("h1").count(), 1, "headings of the first level");
      assert.deepEqual(await page.evaluate(han), [], "Chinese in the English page");
      await accessible(page, `${name}, light`);
      await fitsPhone(page);
    }));
  await t.test("Chinese, dark: no serious finding, nothing left in English, fits a phone", () =>
    look({ lang: "zh", dark: true, expects }, async (page) => {
      await page.goto(path);
      assert.match(await page.locator("html").getAttribute("lang"), /^zh/);
      assert.deepEqual(await page.evaluate(untranslated), [], "English in the Chinese page");
      await accessible(page, `${name}, dark`, { colours: true });
      await fitsPhone(page);
    }));
  await t.test("says the same without JavaScript", () =>
    look({ script: false, expects }, async (page) => {
      await page.goto(path);
      assert.deepEqual(await words(page), said);
    }));
}

describe("every screen", () => {
  test("the menu leads to all of them, by a switch of language too", () =>
    look({}, async (page) => {
      await page.goto("/");
      const links = await page.locator("nav").first().getByRole("link").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
      assert.deepEqual(menu.filter((path) => !links.includes(path)), [], `missing among ${links}`);
      await page.getByRole("link", { name: "中文" }).first().click();
      await page.waitForFunction(() => document.documentElement.lang.startsWith("zh"));
      await page.goto("/overview");
      assert.match(await page.locator("html").getAttribute("lang"), /^zh/, "the choice is kept");
    }));

  test("each by itself", { concurrency: 2 }, async (t) => {
    const found = await crawl();
    await Promise.all([...found.values(), ...states()].map((screen) => t.test(screen.name, (t) => checks(t, screen))));
  });

  test("a merchant's own, on a phone", () =>
    look({ size: phone, expects: [404] }, async (page) => {
      await page.goto("/");
      const cast = page.locator("form[action='/as'] select").last();
      const shops = await cast.locator("option").evaluateAll((all) => all.filter((o) => /merchant/i.test(o.textContent)).map((o) => o.value));
      await Promise.all([
        page.waitForEvent("framenavigated"),
        page.evaluate((who) => {
          const form = document.querySelector("form[action='/as']");
          form.querySelector("select").value = who;
          form.submit();
        }, shops[1]),
      ]);
      await page.goto("/payments");
      assert.ok((await page.locator("tbody[data-rows] > tr").count()) > 0);
      assert.equal(await overhang(page), 0, `sticks out: ${(await sticking(page)).join(" · ")}`);
      await accessible(page, "a merchant's payments");
      // A payment of the first shop is as if it were not there.
      const { rrn } = stage.demo.references["it has arrived"];
      await page.goto(`/?q=${rrn}`);
      assert.ok(!/\/payments\//.test(page.url()));
      assert.equal((await page.goto("/developers")).status(), 404);
    }));
});
