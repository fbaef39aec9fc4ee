//! age: sealing to recipients and opening with identities.
