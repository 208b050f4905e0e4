//! The locks of the queue: the standard library's. `tests/loom` puts loom's in their place.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
