// The yardstick: DuckDB joins journal, settlement and statement, classifies each payment and writes one
// row per payment. With --log its own time, without the start of node, is added to that file.
// Usage: node join.mjs DIR OUT [--format csv|ndjson] [--keys number|text] [--threads 2] [--memory 6GB] [--counts] [--log FILE]
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';

const { values: option, positionals: [dir, out] } = parseArgs({
  allowPositionals: true,
  options: {
    format: { type: 'string', default: 'csv' },
    keys: { type: 'string', default: 'number' },
    threads: { type: 'string', default: '2' },
    memory: { type: 'string' },
    counts: { type: 'boolean', default: false },
    log: { type: 'string' },
    label: { type: 'string', default: 'duckdb, SQL alone' },
  },
});
if (!dir || !out || !['ndjson', 'csv'].includes(option.format) || !['number', 'text'].includes(option.keys)) {
  console.error('usage: node join.mjs DIR OUT [--format csv|ndjson] [--keys number|text] [--threads 2] [--memory 6GB] [--counts] [--log FILE]');
  process.exit(2);
}

const quote = (text) => `'${text.replaceAll("'", "''")}'`;
// Every column is named with its type, so that no time goes into sniffing. Digit keys as numbers join
// faster, at the price of leading zeros; none of these begin with one.
const digits = option.keys === 'number' ? 'BIGINT' : 'VARCHAR';
const table = (file, columns) =>
  `read_csv(${quote(`${dir}/${file}`)}, header=true, auto_detect=false, buffer_size=2000000, delim=',', quote='', escape='', columns=${
    `{${Object.entries(columns).map(([name, type]) => `${quote(name)}: ${quote(type)}`).join(', ')}}`})`;

const journal = table('pos.csv', {
  time: 'VARCHAR', mid: digits, tid: 'VARCHAR', batch: 'VARCHAR', stan: 'VARCHAR', rrn: digits, auth_code: 'VARCHAR',
  pan: 'VARCHAR', kind: 'VARCHAR', entry: 'VARCHAR', result: 'VARCHAR', response_code: 'VARCHAR', amount: 'BIGINT', currency: 'VARCHAR',
});
const settlement = table('settlement.csv', {
  time: 'VARCHAR', mid: digits, tid: 'VARCHAR', rrn: digits, stan: 'VARCHAR', kind: 'VARCHAR', gross: 'BIGINT', fee: 'BIGINT',
  net: 'BIGINT', currency: 'VARCHAR', settlement_date: 'VARCHAR', payout: 'VARCHAR',
});
const statement = table('statement.csv', { account: digits, amount: 'BIGINT', booking_date: 'VARCHAR', payout: 'VARCHAR' });

const started = performance.now();
const db = await DuckDBInstance.create(':memory:', {
  threads: option.threads,
  preserve_insertion_order: 'false',
  ...(option.memory && { memory_limit: option.memory }),
});
const connection = await db.connect();
await connection.run(`
COPY (
  SELECT coalesce(p.mid, s.mid) AS mid, coalesce(p.rrn, s.rrn) AS rrn, coalesce(p.tid, s.tid) AS tid, coalesce(p.stan, s.stan) AS stan,
    p.amount, s.gross, s.fee, s.net, s.payout, b.booking_date,
    CASE
      WHEN s.rrn IS NULL THEN 'missing_in_settlement'
      WHEN p.rrn IS NULL THEN 'missing_in_journal'
      WHEN p.amount <> s.gross THEN 'amount_mismatch'
      WHEN b.payout IS NULL THEN 'payout_not_on_statement'
      ELSE 'arrived'
    END AS class
  FROM ${journal} p
  FULL OUTER JOIN ${settlement} s ON p.mid = s.mid AND p.rrn = s.rrn
  LEFT JOIN ${statement} b ON b.payout = s.payout
) TO ${quote(out)} (${option.format === 'csv' ? 'FORMAT csv, HEADER true' : 'FORMAT json'})`);
const seconds = (performance.now() - started) / 1000;

if (option.log) appendFileSync(option.log, JSON.stringify({ label: option.label, wall_s: seconds }) + '\n');
const report = { sql_seconds: Number(seconds.toFixed(3)) };
if (option.counts) {
  const read = option.format === 'csv' ? `read_csv(${quote(out)})` : `read_json(${quote(out)})`;
  const rows = await connection.runAndReadAll(`SELECT class, count(*)::INTEGER AS n FROM ${read} GROUP BY ALL`);
  for (const [name, n] of rows.getRows()) report[name] = n;
}
console.log(JSON.stringify(report));
