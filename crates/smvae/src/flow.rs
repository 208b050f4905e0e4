//! What a callback answers: whether the work that it watches continues.

/// What the callback wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Continue.
    Continue,
    /// End the work cleanly. Training keeps what is done and can be resumed; prediction and
    /// evaluation give no result.
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
