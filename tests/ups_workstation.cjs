// A workstation made of dcmjs-dimse, which nobody here wrote: finds the first reading of a list, claims it, tells of its
// progress and completes it, and prints each answer as a line of JSON.
const path = require('path')
const dimse = require(path.join(process.argv[2], 'dcmjs-dimse'))
const { CFindRequest, NActionRequest, NGetRequest, NSetRequest } = dimse.requests
dimse.log.level = 'error'
const [PUSH, , PULL] = [1, 2, 3].map((number) => `1.2.840.10008.5.1.4.34.6.${number}`)
const KEY = dimse.Dataset.generateDerivedUid()

function ask(what, request, said) {
  if (said) request.setDataset(new dimse.Dataset(said))
  return new Promise((resolve, reject) => {
    const found = []
    request.on('response', (response) => {
      const elements = response.hasDataset() ? response.getDataset().getElements() : undefined
      if (elements) found.push(elements)
      if (response.getStatus() === 0xff00) return
      console.log(JSON.stringify({ what, status: response.getStatus(), found }))
      resolve(found)
    })
    const client = new dimse.Client()
    client.on('networkError', reject)
    client.addRequest(request)
    client.send('127.0.0.1', Number(process.argv[3]), 'WS1', 'AUSCULT')
  })
}

function change(uid, state) {
  return ask(state, new NActionRequest(PUSH, uid, 1, PULL), { ProcedureStepState: state, TransactionUID: KEY })
}

async function work() {
  const find = new CFindRequest()
  find.setAffectedSopClassUid(PULL)
  const [first] = await ask('find', find, { SOPInstanceUID: '', PatientName: '', ProcedureStepState: 'SCHEDULED' })
  const uid = first.SOPInstanceUID
  await change(uid, 'IN PROGRESS')
  await ask('get', new NGetRequest(PUSH, uid, ['00741000', '00404021'], PULL))
  const progress = { ProcedureStepProgressInformationSequence: [{ ProcedureStepProgress: '90' }] }
  await ask('set', new NSetRequest(PUSH, uid, PULL), { TransactionUID: KEY, ...progress })
  await change(uid, 'COMPLETED')
}

work().catch((error) => console.log(JSON.stringify({ error: String(error) })))
