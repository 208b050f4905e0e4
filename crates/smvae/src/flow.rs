//! What a callback answers: whether the work it watches is to continue.

/// What the callback wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End the run, in good order.
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
