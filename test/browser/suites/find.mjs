// Screen 1: whatever is on the slip leads to the answer.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { look, stage } from "../lib/stage.mjs";

/** Where, why, who acts and when, as the answer card says them. */
const answer = (page) => page.locator("article.answer").first();

/** The last four digits of the card, as a trail shows them. */
const tailOf = async (page) => (await page.locator("main").innerText()).match(/\d{6}\*+(\d{4})\b/)[1];

describe("find", () => {
  test("from the address that demo prints to the answer for an RRN in two clicks", () =>
    look({}, async (page) => {
      const { rrn, amount } = stage.demo.references["held"];
      await page.goto("/overview");
      await page.getByRole("searchbox").click(); // one
      await page.keyboard.type(rrn);
      await page.keyboard.press("Enter"); // two
      await page.waitForURL(/\/payments\/[^/]+$/);
      const text = await answer(page).innerText();
      assert.match(text, new RegExp(`¥${amount.replace(".", "\\.")}`));
      assert.match(text, /Held/);
      for (const sentence of ["Where", "Why", "Who acts", "When"]) assert.ok(await answer(page).getByText(sentence, { exact: true }).isVisible(), sentence);
    }));

  test("what has arrived, was taken back, and waits says so", () =>
    look({}, async (page) => {
      for (const [what, word] of [["it has arrived", /Arrived/], ["taken back", /Not charged/], ["waits for Monday", /On its way/]]) {
        await page.goto("/");
        await page.getByRole("searchbox").fill(stage.demo.references[what].rrn);
        await page.keyboard.press("Enter");
        await page.waitForURL(/\/payments\/[^/]+$/);
        assert.match(await answer(page).innerText(), word);
      }
    }));

  test("by the amount and the card's last four digits", () =>
    look({}, async (page) => {
      const { rrn, amount } = stage.demo.references["held"];
      await page.goto(`/?q=${rrn}`);
      const trail = page.url();
      const tail = await tailOf(page);
      await page.goto("/");
      await page.getByRole("searchbox").fill(`${amount} ${tail}`);
      await page.keyboard.press("Enter");
      // Where several payments fit, they are listed; else the search leads there at once.
      await page.waitForURL((url) => url.href === trail || url.search.includes(tail));
      if (page.url() !== trail) await page.locator(`a[href="${new URL(trail).pathname}"]`).first().click();
      await page.waitForURL(trail);
    }));

  test("the guesses are shown as chips, and one can be taken away", () =>
    look({}, async (page) => {
      await page.goto("/?q=88.00+9999");
      const chips = page.locator(".chips > li");
      assert.equal(await chips.count(), 2);
      assert.match(await chips.nth(0).innerText(), /amount/i);
      assert.match(await chips.nth(1).innerText(), /ends in/i);
      await chips.nth(1).getByRole("link").click();
      await page.waitForURL(/\?q=88\.00$/);
      assert.ok((await page.locator("tbody tr").count()) > 0);
    }));

  test("a whole card number does not stay in the address", () =>
    look({}, async (page) => {
      await page.goto("/");
      await page.getByRole("searchbox").fill("6222021234567890128");
      await page.keyboard.press("Enter");
      await page.waitForURL(/q=622202(\*|%2A)/i);
      assert.ok(!decodeURIComponent(page.url()).includes("6222021234567890128"));
      assert.ok(!(await page.content()).includes("6222021234567890128"));
    }));

  test("by the keyboard alone: / to search, j and k along the list, e to open", () =>
    look({}, async (page) => {
      await page.goto("/payments");
      await page.keyboard.press("/");
      await page.waitForFunction(() => document.activeElement?.matches("[data-find]"));
      await page.keyboard.press("Escape");
      await page.waitForFunction(() => document.activeElement === document.body);
      const at = () => page.locator("tbody[data-rows] > tr").evaluateAll((rows) => rows.findIndex((row) => row.matches(".at")));
      await page.keyboard.press("j");
      await page.keyboard.press("j");
      await page.keyboard.press("j");
      assert.equal(await at(), 2);
      await page.keyboard.press("k");
      assert.equal(await at(), 1);
      const second = await page.locator("tbody[data-rows] > tr").nth(1).getByRole("link").first().getAttribute("href");
      await page.keyboard.press("e");
      await page.waitForURL(`**${second}`);
    }));

  test("by Tab and Enter alone: skip link, search box, first hit", () =>
    look({}, async (page) => {
      await page.goto("/?q=88.00");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), "#main");
      assert.ok(await page.locator(":focus").isVisible());
      await page.keyboard.press("Enter");
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(() => document.activeElement.matches("main tbody a"))) break;
      }
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, "none", "the focus is to be seen");
      await page.keyboard.press("Enter");
      await page.waitForURL(/\/payments\/[^/]+$/);
    }));

  test("a slip with all four right is told of at the public page, one with a digit wrong is not", () =>
    look({ expects: [404] }, async (page) => {
      const { rrn, amount } = stage.demo.references["it has arrived"];
      await page.goto(`/?q=${rrn}`);
      const tail = await tailOf(page);
      const day = (await answer(page).locator("time").first().getAttribute("datetime")).slice(0, 10);
      const ask = async (last) => {
        await page.goto("/r");
        await page.locator("[name=amount]").fill(amount);
        await page.locator("[name=date]").fill(day);
        await page.locator("[name=tail]").fill(last);
        await page.locator("[name=number]").fill(rrn);
        await page.getByRole("button", { name: "Look up" }).click();
        return page.getByRole("status").innerText();
      };
      assert.match(await ask(tail), new RegExp(`${amount}`));
      const miss = await ask(String((Number(tail) + 1) % 10000).padStart(4, "0"));
      assert.match(miss, /Nothing is known/);
    }));
});
