// A `daozhang serve` of its own, with two people who set up their access as everybody
// does: they bring the corner shop's files, work on what is late, and check each
// other. The tests of this file follow one another.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { accessible } from "../lib/axe.mjs";
import { visit } from "../lib/browser.mjs";
import { folder, Program } from "../lib/server.mjs";
import { stage } from "../lib/stage.mjs";
import { code } from "../lib/totp.mjs";

const shop = fileURLToPath(new URL("../../../examples/corner-shop/", import.meta.url));

/** The corner shop on the platform's own books, with the terms that it has. */
const settings = `
merchants:
  - {mid: "898310058120001", name: Corner Noodles, mcc: "5812", currency: CNY, zone: Asia/Shanghai, cutoff: "23:00",
     terms: {valid_from: "2026-01-01", cycle: T1, calendar: CN, fees: [{bps: 50, cap: 1800}, {bps: 60, card_type: credit}]}}
`;

/** A sale of the example whose payout the bank has booked: the statement proves it. */
const arrived = "606108000101";

const password = "several words make a good one";

describe("two people at one desk", () => {
  let server, origin, room, link;
  const session = {};
  const secret = {};
  const as = (who, look, use) => visit(stage.browser, origin, { session: session[who], ...look }, use);

  before(async () => {
    room = await folder("serve");
    const config = path.join(room.dir, "serve.yaml");
    await writeFile(config, settings);
    server = new Program(["serve", "--dev", "--config", config, "--lang", "en", "--database", path.join(room.dir, "data"), "--terminals", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    [, origin, link] = await server.says(/(http:\/\/(?:127\.0\.0\.1|localhost):\d+)(\/set-up\/\S+)/, "err");
  });
  after(async () => {
    await server?.stop();
    await room?.remove();
  });

  /** Goes through a set-up link as the person who was sent it. */
  const setUp = (who, link) =>
    visit(stage.browser, origin, {}, async (page, context) => {
      await page.goto(link);
      await accessible(page, "set-up");
      secret[who] = (await page.locator("code").innerText()).trim();
      assert.ok(await page.getByAltText("QR code of the key").isVisible());
      await page.getByLabel(/^Password/).fill(password);
      await page.getByLabel("Once more").fill(password);
      await page.getByLabel("The six digits that the app shows").fill(code(secret[who]));
      await page.getByRole("button", { name: "Set up" }).click();
      await page.getByRole("heading", { name: "You are in" }).waitFor();
      assert.match(await page.locator("pre").innerText(), /\S{8,}/, "recovery codes");
      await accessible(page, "set-up, done");
      session[who] = await context.storageState();
    });

  test("the first start prints a link that sets up the first person", () => setUp("admin", link));

  test("without a session there is only the way to sign in", () =>
    visit(stage.browser, origin, {}, async (page) => {
      await page.goto("/overview");
      await page.waitForURL(/\/sign-in\?next=%2Foverview/);
      await accessible(page, "sign-in");
    }));

  test("the first person invites a second", async () => {
    const invited = await as("admin", {}, async (page) => {
      await page.goto("/people");
      await page.getByText("Invite somebody").click();
      await page.getByLabel(/^Sign-in name/).fill("checker");
      await page.getByLabel("Name that others see").fill("Checker");
      await page.locator("form[action='/people'][method=post] select[name=role]").selectOption("institution");
      await page.getByRole("button", { name: "Make a one-time link" }).click();
      return (await page.locator("main").innerText()).match(/\/set-up\/\S+/)[0];
    });
    await setUp("checker", invited);
  });

  test("signing in takes the password and the code of the moment", () =>
    visit(stage.browser, origin, { expects: [403] }, async (page) => {
      await page.goto("/sign-in?next=/payments");
      const enter = async (digits) => {
        await page.getByLabel("Name").fill("checker");
        await page.getByLabel("Password").fill(password);
        await page.getByLabel(/^Code/).fill(digits);
        await page.getByRole("button", { name: "Sign in" }).click();
      };
      await enter("000000");
      await page.getByRole("alert").waitFor();
      await enter(code(secret.checker, Date.now() + 30_000));
      await page.waitForURL(/\/payments$/);
    }));

  /** Brings a file through the page of files, and gives what became of it. */
  const bring = (page, name) => {
    const upload = async () => {
      await page.goto("/files");
      const form = page.locator("#bring form");
      await form.locator("[type=file]").setInputFiles(path.join(shop, name));
      await form.getByRole("button", { name: "Read it" }).click();
      await page.waitForURL(/\/files\//);
      return page.locator("main").innerText();
    };
    return upload();
  };

  /** Waits until the page of a payment says something; the investigation follows the store. */
  const says = async (page, rrn, pattern) => {
    await page.goto(`/?q=${rrn}`);
    await page.waitForFunction(
      async ([url, pattern]) => {
        const text = await (await fetch(url)).text();
        const main = new DOMParser().parseFromString(text, "text/html").querySelector("article.answer");
        return main && new RegExp(pattern).test(main.textContent);
      },
      [`/?q=${rrn}`, pattern.source],
      { polling: 250 },
    );
    await page.goto(`/?q=${rrn}`);
    return page.locator("article.answer").first().innerText();
  };

  test("what the shop has sold and no statement shows is late", () =>
    as("admin", {}, async (page) => {
      assert.match(await bring(page, "terms.yaml"), /read/i);
      await bring(page, "pos.csv");
      await bring(page, "unionpay/INN26030288ZM_898310058120001");
      assert.match(await says(page, arrived, /Late/), /Late/);
    }));

  test("a dry run says what would become of the statement and keeps nothing", () =>
    as("admin", {}, async (page) => {
      await page.goto("/files");
      const form = page.locator("#bring form");
      await form.locator("[name=dry]").check();
      await form.locator("[type=file]").setInputFiles(path.join(shop, "statement.xml"));
      await form.getByRole("button", { name: "Read it" }).click();
      await page.getByText("nothing was kept").waitFor();
      await accessible(page, "a dry run");
      assert.match(await says(page, arrived, /Late/), /Late/);
    }));

  test("a bulk action takes what is chosen, asks for a remark and reports on each", () =>
    as("admin", {}, async (page) => {
      await page.goto("/exceptions");
      const rows = page.locator("tbody[data-rows] > tr:has([name=item])");
      await rows.first().waitFor();
      const remark = page.getByLabel(/^Remark/);
      assert.equal(await remark.getAttribute("required"), "");
      for (const i of [0, 1]) await rows.nth(i).locator("[name=item]").check();
      await page.locator(".bulk [name=do]").selectOption("assign");
      await page.locator(".bulk [name=to]").fill("checker");
      await remark.fill("The week of 2 March goes to one person.");
      await page.getByRole("button", { name: "Do it" }).click();
      const report = page.locator("#report");
      await report.waitFor();
      assert.match(await report.innerText(), /done 2/);
      assert.match(await report.innerText(), /failed 0/);
      await accessible(page, "the report of a bulk action");
    }));

  let proposal;
  test("money moves when a second person agrees: the maker cannot", () =>
    as("admin", {}, async (page) => {
      await page.goto("/exceptions");
      await page.locator("tbody[data-rows] > tr").first().getByRole("link").first().click();
      await page.waitForURL(/\/cases\//);
      await accessible(page, "a case");
      const adjust = page.locator("details.act", { hasText: /needs a second person/ }).filter({ has: page.locator("form[action$='/adjust']") });
      await adjust.locator("summary").click();
      await adjust.getByLabel("Amount").fill("12.34");
      await adjust.getByLabel(/^Reason/).fill("The fee of the week was taken twice.");
      await adjust.getByRole("button", { name: "Propose" }).click();
      await page.getByText("Nothing is booked until a second person agrees").waitFor();
      await page.getByRole("link", { name: "Look at the proposal" }).first().click();
      await page.waitForURL(/\/approvals\//);
      proposal = new URL(page.url()).pathname;
      assert.equal(await page.locator("form[action$='/approve']").count(), 0, "the maker is offered to approve");
      assert.match(await page.locator("main").innerText(), /12\.34/);
      await accessible(page, "a proposal");
    }));

  test("… and the checker sees before and after, and approves", () =>
    as("checker", {}, async (page) => {
      await page.goto("/approvals");
      await page.locator(`a[href="${proposal}"]`).first().click();
      await page.waitForURL(`**${proposal}`);
      const postings = await page.locator("table.postings").first().innerText();
      assert.match(postings, /12\.34/);
      await page.locator("form[action$='/approve']").getByRole("button").click();
      await page.getByRole("status").first().waitFor();
      assert.match(await page.locator("h1").innerText(), /booked|approved|done/i);
    }));

  test("the statement turns what was late into arrived, and a second time changes nothing", () =>
    as("admin", {}, async (page) => {
      await bring(page, "statement.xml");
      const answer = await says(page, arrived, /has arrived/);
      assert.match(answer, /Arrived/);
      assert.doesNotMatch(answer, /Late/);
      assert.match(await bring(page, "statement.xml"), /Nothing is changed/);
    }));

  test("who signs out is out", () =>
    as("checker", {}, async (page) => {
      await page.goto("/");
      await page.getByRole("button", { name: "Sign out" }).first().click();
      await page.waitForURL(/\/sign-in/);
      await page.goto("/payments");
      await page.waitForURL(/\/sign-in/);
    }));
});
