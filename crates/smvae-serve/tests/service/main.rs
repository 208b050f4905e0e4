//! A service with a small model, on 127.0.0.1 alone, and clients of every kind: those that behave,
//! those that do not, and other programs' protocols.

// Other protocols, in the shapes of their own clients.
mod adapters;
// Every route answers as `/openapi.json` says.
mod described;
// Clients that are slow, broken or hostile.
mod hostile;
// Ending, loading anew, panics, clients that go away.
mod life;
// What is answered, and that it is what `smvae predict` writes.
mod predict;
// Every status code, and the table of them in the documents.
mod statuses;
// No tests: a small model and a client that can misbehave.
mod support;
