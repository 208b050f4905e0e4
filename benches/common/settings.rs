//! How every bench measures: few samples and short times, so that all of them together end within
//! five minutes.

use criterion::Criterion;
use std::time::Duration;

/// Ten samples of a tenth of a second, or of one iteration where that takes longer. Options of the
/// command line come on top.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args()
}
