// A receiver of HL7 messages made of node-hl7-server, which nobody here wrote: prints each message as a line of JSON and
// answers with the codes that its arguments name, the last one from then on.
const path = require('path')
const { Server } = require(path.join(process.argv[2], 'node-hl7-server'))
const codes = process.argv.slice(4)
const server = new Server({ bindAddress: '127.0.0.1' })
const inbound = server.createInbound({ port: Number(process.argv[3]) }, async (request, response) => {
  const code = codes.length > 1 ? codes.shift() : codes[0]
  const message = request.getMessage()
  const told = { text: message.toString(), id: message.get('MSH.10').toString(), answered: code }
  await response.sendResponse(code)
  console.log(JSON.stringify(told))
})
inbound.on('listen', () => console.log(JSON.stringify({ listening: true })))
