// Reads AsyncAPI documents with the AsyncAPI Initiative's own parser: what it finds wrong goes to standard
// output, a line each. The first argument is a folder with node_modules, the others are the documents.
const { createRequire } = require('node:module');
const fs = require('node:fs');
const path = require('node:path');

const [folder, ...files] = process.argv.slice(2);
const load = createRequire(path.join(folder, 'x.js'));
const { Parser } = load('@asyncapi/parser');
const { ProtoBuffSchemaParser } = load('@asyncapi/protobuf-schema-parser');

async function main() {
  const parser = new Parser();
  parser.registerSchemaParser(ProtoBuffSchemaParser());
  for (const file of files) {
    const { document, diagnostics } = await parser.parse(fs.readFileSync(file, 'utf8'));
    const name = path.basename(file);
    for (const { severity, code, path: place, message } of diagnostics) {
      // 0 is an error, 1 a warning; what lies below is advice about style.
      if (severity <= 1) console.log(`${name}: ${severity} ${code} at ${place.join('/')}: ${message}`);
    }
    if (!document) {
      console.log(`${name}: no document`);
      continue;
    }
    for (const message of document.allMessages()) {
      const schema = message.payload();
      const title = message.schemaFormat().includes('protobuf') ? ` ${schema.title()}` : '';
      console.log(`${name}: read ${message.name()}${title}`);
    }
  }
}

main();
