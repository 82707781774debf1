// A receiver of webhooks whose signatures standardwebhooks judges, which nobody here wrote: prints each body that it
// believes, and answers any other with 401. Arguments: the folder of node_modules, the port, and the key.
const path = require('path')
const http = require('http')
const { Webhook } = require(path.join(process.argv[2], 'node_modules', 'standardwebhooks'))
const webhook = new Webhook(process.argv[4])
const server = http.createServer((request, response) => {
  const pieces = []
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', () => {
    try {
      console.log(JSON.stringify(webhook.verify(Buffer.concat(pieces).toString(), request.headers)))
      response.writeHead(204).end()
    } catch (error) {
      response.writeHead(401).end()
    }
  })
})
server.listen(Number(process.argv[3]), '127.0.0.1')
