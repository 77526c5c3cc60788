/* The host's page for PeerJS presenters: answers every click. */

import { Peer } from 'peerjs'

const peer = new Peer('host', { host: location.hostname, port: 9000, path: '/', secure: true, config: { iceServers: [] } })
peer.on('connection', (connection) => {
  connection.on('data', (text) => void connection.send(text))
})
peer.on('open', () => {
  document.body.textContent = 'ready'
})
