/* A page that does one thing by PeerJS: connect to the host's page as its guide shows it, click once, hear the answer. */

import { Peer } from 'peerjs'

// With a name of its own it need not ask the PeerServer for one first.
const server = { host: location.hostname, port: 9000, path: '/', secure: true, config: { iceServers: [] } }
const peer = new Peer(crypto.randomUUID(), server)
peer.on('open', () => {
  performance.mark('peer open')
  const connection = peer.connect('host')
  connection.on('data', () => performance.mark('answer'))
  connection.on('open', () => {
    performance.mark('connection open')
    void connection.send('next')
  })
})
