// Starts daozhang as a user would, and reads from what it prints where it can be
// reached. The binary is that of DAOZHANG, which run builds.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const binary = process.env.DAOZHANG;
if (!binary) throw new Error("DAOZHANG names no binary: start the tests by test/browser/run");

/** How long a program may take to say something, however busy the machine is. */
const patience = 240_000;

/**
 * A program that runs until it is stopped. `out` and `err` are all that it has
 * printed so far.
 */
export class Program {
  constructor(args, env = {}) {
    this.args = args;
    this.out = this.err = "";
    this.waiting = new Set();
    const { DAOZHANG, LANG, LC_ALL, LC_MESSAGES, ...own } = process.env;
    this.process = spawn(binary, args, { env: { ...own, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const heard = (stream) => (text) => {
      this[stream] += text;
      for (const look of this.waiting) look();
    };
    this.process.stdout.setEncoding("utf8").on("data", heard("out"));
    this.process.stderr.setEncoding("utf8").on("data", heard("err"));
    this.ended = new Promise((resolve) => {
      this.process.on("error", (error) => resolve(String(error)));
      this.process.on("exit", (code, signal) => resolve(signal ?? code));
    });
  }

  /** Waits until a stream matches, and gives the match; fails when the program ends. */
  says(pattern, stream = "out") {
    return new Promise((resolve, reject) => {
      const settle = (how, value) => {
        clearTimeout(timer);
        this.waiting.delete(look);
        how(value);
      };
      const story = (what) => new Error(`daozhang ${this.args.join(" ")}: ${what} before it said ${pattern}\n${this.out.slice(-2000)}\n${this.err.slice(-4000)}`);
      const look = () => {
        const match = this[stream].match(pattern);
        if (match) settle(resolve, match);
      };
      const timer = setTimeout(() => settle(reject, story("nothing came")), patience);
      this.waiting.add(look);
      this.ended.then((how) => settle(reject, story(`it ended (${how})`)));
      look();
    });
  }

  /** Ends it as Ctrl-C does, and gives its exit code. */
  async stop() {
    this.process.kill("SIGINT");
    const hard = setTimeout(() => this.process.kill("SIGKILL"), 30_000);
    const how = await this.ended;
    clearTimeout(hard);
    return how;
  }
}

/** Runs a command to its end and gives what it printed; an exit code that is not 0 is an error. */
export async function run(args, env = {}) {
  const p = new Program(args, env);
  const code = await p.ended;
  if (code !== 0) throw new Error(`daozhang ${args.join(" ")}: ${code}\n${p.out}${p.err}`);
  return p.out;
}

/** Makes an empty folder and gives it with a way to remove it. */
export async function folder(name) {
  const dir = await mkdtemp(path.join(tmpdir(), `daozhang-${name}-`));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/**
 * The story of `daozhang demo`, told to its end and still up: its address, and the
 * reference numbers that it proposes to ask about, by what it says of them.
 */
export async function demo(lang = "en") {
  const program = new Program(["demo", "--lang", lang]);
  const [, origin] = await program.says(/(http:\/\/127\.0\.0\.1:\d+)\/overview/);
  await program.says(/Ctrl-C/);
  const references = {};
  for (const [, rrn, amount, what] of program.out.matchAll(/ trace (\d{12}) .*# ¥([\d,.]+), (.*)/g)) {
    references[what] = { rrn, amount };
  }
  return { program, origin, references, key: program.out.match(/DAOZHANG_API_KEY=(\S+)/)[1] };
}
