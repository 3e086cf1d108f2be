//! Peer to peer over iroh, on the fastn-p2p wire.
