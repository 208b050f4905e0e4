//! What a callback answers: whether the work that it watches continues.

/// What the callback wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Continue.
    Continue,
    /// End the work cleanly: what is done is kept, so that it can be resumed.
    Stop,
}

impl From<Flow> for std::ops::ControlFlow<()> {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Self::Continue(()),
            Flow::Stop => Self::Break(()),
        }
    }
}
