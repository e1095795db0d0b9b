// Uploads a file with tus-js-client and prints where it is, as JSON.
//
//   node upload.mjs ENDPOINT FILE CHUNK_SIZE PARALLEL    (the token in $TOKEN)
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { Upload } from "tus-js-client";

const [endpoint, file, chunkSize, parallelUploads] = process.argv.slice(2);
const statuses = [];
let stored;

const upload = new Upload(createReadStream(file), {
  endpoint,
  chunkSize: Number(chunkSize),
  parallelUploads: Number(parallelUploads),
  retryDelays: Array(100).fill(20),
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
  metadata: { filename: basename(file), filetype: "text/html" },
  onAfterResponse(_request, response) {
    statuses.push(response.getStatus());
    stored = response.getHeader("Content-Location") ?? stored;
  },
  onError(error) {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess() {
    console.log(JSON.stringify({ url: upload.url, stored, statuses }));
  },
});
upload.start();
