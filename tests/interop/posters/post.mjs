// Posts standard input as `fetch` and as `http` do by themselves, then with Expect: 100-continue.
import http from "node:http";
import { text, buffer } from "node:stream/consumers";

const url = process.argv[2];
const body = await buffer(process.stdin);

function asked(headers) {
  return new Promise((resolve, reject) => {
    const options = { method: "POST", headers: { "Content-Type": "application/json", ...headers } };
    const request = http.request(url, options);
    request.on("response", async (answer) => resolve([answer.statusCode, await text(answer)]));
    request.on("error", reject);
    if (headers.Expect) {
      request.on("continue", () => request.end(body));
      request.flushHeaders();
    } else {
      request.end(body);
    }
  });
}

async function fetched() {
  const answer = await fetch(url, { method: "POST", body });
  return [answer.status, await answer.text()];
}

const ways = {
  fetch: fetched,
  http: () => asked({}),
  "http, its length given": () => asked({ "Content-Length": body.length }),
  "http, expecting": () => asked({ Expect: "100-continue", "Content-Length": body.length }),
  "http, expecting, chunked": () => asked({ Expect: "100-continue" }),
};
for (const [way, post] of Object.entries(ways)) {
  console.log(JSON.stringify([way, ...(await post().catch((error) => [0, String(error)]))]));
}
process.exit(0);
