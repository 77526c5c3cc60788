/* One of each message, as the Python side writes it. Made by tools/make_messages.py. */

import type { FromHost, FromPresenter, State } from '../../src/protocol/messages.ts'

export const FROM_PRESENTER: FromPresenter[] = [
  {"type": "offer", "generation": 1, "sdp": "text", "privacy": "private", "network": "text"},
  {"type": "candidate", "generation": 1, "candidate": {"candidate": "text", "sdpMid": "text", "sdpMLineIndex": 1, "usernameFragment": "text"}},
  {"type": "get_state"},
  {"type": "local_grant", "grant": "text"},
  {"type": "picture", "id": 1, "slide": 1, "width": 1, "most": 1},
  {"type": "media_offer", "generation": 1, "sdp": "text", "lines": ["text"], "privacy": "private", "network": "text"},
  {"type": "media_on", "camera": true, "microphone": true, "screen": true},
  {"type": "media_close", "generation": 1},
  {"type": "media_candidate", "generation": 1, "candidate": {"candidate": "text", "sdpMid": "text", "sdpMLineIndex": 1, "usernameFragment": "text"}},
  {"type": "command", "id": 0, "name": "mute", "session": 1, "muted": true},
  {"type": "command", "id": 1, "name": "admit", "session": 1},
  {"type": "command", "id": 2, "name": "remove", "session": 1},
  {"type": "command", "id": 3, "name": "make_link", "role": "operator", "label": "text", "opens_in": 2.5, "expires_in": 2.5, "first": 1, "last": 1, "one_device": true, "by_hand": true},
  {"type": "command", "id": 4, "name": "revoke_link", "link": "text"},
  {"type": "command", "id": 5, "name": "free_link", "link": "text"},
  {"type": "command", "id": 6, "name": "send_away", "link": "text", "origin": 1},
  {"type": "command", "id": 7, "name": "share_screen", "on": true},
  {"type": "command", "id": 8, "name": "on_air", "session": 1},
  {"type": "command", "id": 9, "name": "record", "on": true},
  {"type": "command", "id": 10, "name": "end_show"},
]

export const FROM_HOST: FromHost[] = [
  {"type": "state", "version": 1, "deck": {"driver": "text", "title": "text", "status": "no_deck", "slide": 1, "count": 1, "build": {"position": 1, "count": 1}, "blank": "white", "can": ["text"], "pictures": true, "notes": "text", "slide_title": "text", "next_title": "text", "slide_label": "text", "edition": 1, "has_newer": true, "drawable": true}, "you": {"role": "operator", "muted": true, "name": "text", "admitted": true, "first": 1, "last": 1, "expires": 2.5}, "media": {"screen": true, "camera": true, "microphone": true, "on_air": true, "recording": true}, "started": 1, "room": {"code": "text", "hosts": [{"member": "text", "name": "text", "away": true, "this": true}], "presenters": [{"session": 1, "name": "text", "kind": "text", "role": "text", "link": "text", "muted": true, "admitted": true, "words": "text", "path": "text", "rtt_ms": 1, "clicks": 1, "last": {"intent": "text", "status": "text", "reason": "text", "from": 1, "to": 1}, "since": 2.5, "camera": true, "microphone": true, "on_air": true, "reception": {"kbps": 1, "lost": 1, "gone": 1}}], "links": [{"id": "text", "url": "text", "label": "text", "role": "text", "page": "text", "not_before": 2.5, "expires": 2.5, "first": 1, "last": 1, "one_device": true, "in_use": true, "by_hand": true, "revoked": true, "expired": true}], "places": [{"link": "text", "count": 1, "proven": 1, "away": 1, "since": 2.5, "origins": [{"origin": 1, "count": 1}]}], "media": {"screen": true, "recording": true, "recorded": 1, "can_share": true, "problem": "text"}, "rejected": {"name": 1}}, "laser": {"x": 2.5, "y": 2.5}},
  {"type": "state", "version": 2, "since": 1, "deck": {"driver": "", "title": "", "slide": 2, "count": null, "build": null, "blank": null, "can": [], "pictures": false, "notes": null, "slide_title": null, "next_title": null, "slide_label": null, "edition": 0, "has_newer": false}, "started": null},
  {"type": "answer", "generation": 1, "sdp": "text", "network": "text"},
  {"type": "candidate", "generation": 1, "candidate": {"candidate": "text", "sdpMid": "text", "sdpMLineIndex": 1, "usernameFragment": "text"}},
  {"type": "reoffer"},
  {"type": "no_picture", "id": 1, "reason": "text"},
  {"type": "reply", "id": 1, "ok": true, "error": {"code": "text", "message": "text"}, "link": "text", "url": "text", "count": 1},
  {"type": "laser", "at": {"x": 2.5, "y": 2.5}},
  {"type": "closed", "code": "text", "reason": "text"},
  {"type": "error", "code": "text", "message": "text"},
  {"type": "media_answer", "generation": 1, "sdp": "text", "network": "text"},
  {"type": "media_refused", "generation": 1, "code": "text", "message": "text"},
  {"type": "media_candidate", "generation": 1, "candidate": {"candidate": "text", "sdpMid": "text", "sdpMLineIndex": 1, "usernameFragment": "text"}},
]

/** What the first state among them says. */
export const STATE: State = {"deck": {"driver": "text", "title": "text", "status": "no_deck", "slide": 1, "count": 1, "build": {"position": 1, "count": 1}, "blank": "white", "can": ["text"], "pictures": true, "notes": "text", "slide_title": "text", "next_title": "text", "slide_label": "text", "edition": 1, "has_newer": true, "drawable": true}, "you": {"role": "operator", "muted": true, "name": "text", "admitted": true, "first": 1, "last": 1, "expires": 2.5}, "media": {"screen": true, "camera": true, "microphone": true, "on_air": true, "recording": true}, "started": 1, "room": {"code": "text", "hosts": [{"member": "text", "name": "text", "away": true, "this": true}], "presenters": [{"session": 1, "name": "text", "kind": "text", "role": "text", "link": "text", "muted": true, "admitted": true, "words": "text", "path": "text", "rtt_ms": 1, "clicks": 1, "last": {"intent": "text", "status": "text", "reason": "text", "from": 1, "to": 1}, "since": 2.5, "camera": true, "microphone": true, "on_air": true, "reception": {"kbps": 1, "lost": 1, "gone": 1}}], "links": [{"id": "text", "url": "text", "label": "text", "role": "text", "page": "text", "not_before": 2.5, "expires": 2.5, "first": 1, "last": 1, "one_device": true, "in_use": true, "by_hand": true, "revoked": true, "expired": true}], "places": [{"link": "text", "count": 1, "proven": 1, "away": 1, "since": 2.5, "origins": [{"origin": 1, "count": 1}]}], "media": {"screen": true, "recording": true, "recorded": 1, "can_share": true, "problem": "text"}, "rejected": {"name": 1}}, "laser": {"x": 2.5, "y": 2.5}}
