// One step of a workstation made of dcmjs-dimse, which nobody here wrote: finds the work items that wait, or changes one.
// Arguments: the folder of its packages, the port, then `find`, or a state, the work item's UID and the claim's UID. Prints
// what it is answered as a line of JSON.
const path = require('path')
const dimse = require(path.join(process.argv[2], 'dcmjs-dimse'))
const [port, what, uid, key] = process.argv.slice(3)
const [PUSH, PULL] = ['1.2.840.10008.5.1.4.34.6.1', '1.2.840.10008.5.1.4.34.6.3']
dimse.log.level = 'error'

function ask () {
  if (what !== 'find') {
    const change = new dimse.requests.NActionRequest(PUSH, uid, 1, PULL)
    change.setDataset(new dimse.Dataset({ ProcedureStepState: what, TransactionUID: key }))
    return change
  }
  const find = new dimse.requests.CFindRequest()
  find.setAffectedSopClassUid(PULL)
  find.setDataset(new dimse.Dataset({
    SOPInstanceUID: '', PatientID: '', AccessionNumber: '', StudyInstanceUID: '', ProcedureStepState: 'SCHEDULED'
  }))
  return find
}

const told = { statuses: [], found: [] }
const request = ask()
request.on('response', response => {
  told.statuses.push(response.getStatus())
  if (response.hasDataset()) told.found.push(response.getDataset().getElements())
})
request.on('done', () => { console.log(JSON.stringify(told)) })
const client = new dimse.Client()
client.addRequest(request)
client.on('networkError', error => { console.error(String(error)); process.exit(1) })
client.send('127.0.0.1', Number(port), 'WS_ROOM_3', 'AUSCULT')
