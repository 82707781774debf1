// A sender of HL7 messages made of node-hl7-client, which nobody here wrote: an order, then its final result, or one of
// them (`order`, `final`); prints the code of each acknowledgement as a line of JSON.
const path = require('path')
const { Client, Message } = require(path.join(process.argv[2], 'node-hl7-client'))
const [id, name, accession, only] = process.argv.slice(4)
const client = new Client({ host: '127.0.0.1' })

function message (event, controlId, segments) {
  const [type, trigger] = event.split('^')
  const made = new Message({
    messageHeader: {
      msh_9_1: type, msh_9_2: trigger, msh_9_3: event.replace('^', '_'), msh_10: controlId, msh_11_1: 'P'
    }
  })
  made.set('MSH.3', 'NODE')
  const pid = made.addSegment('PID')
  pid.set('3', id)
  pid.set('5.1', name.split('^')[0])
  pid.set('5.2', name.split('^')[1])
  for (const [segment, fields] of segments) {
    const added = made.addSegment(segment)
    for (const [field, value] of Object.entries(fields)) added.set(field, value)
  }
  return made
}

const messages = [
  message('ORM^O01', 'N1', [['ORC', { 1: 'NW', 7.6: 'S' }], ['OBR', { 1: '1', 18: accession }]]),
  message('ORU^R01', 'N2', [['OBR', { 1: '1', 18: accession, 25: 'F' }], ['OBX', { 1: '1', 2: 'TX', 11: 'F' }]])
]
const waiting = messages.filter((_, place) => !only || only === ['order', 'final'][place])
const connection = client.createConnection({ port: Number(process.argv[3]) }, async (answer) => {
  console.log(JSON.stringify({ code: answer.getMessage().get('MSA.1').toString() }))
  if (waiting.length > 0) await connection.sendMessage(waiting.shift())
  else { await connection.close(); process.exit(0) }
})
connection.on('connect', () => { connection.sendMessage(waiting.shift()) })
