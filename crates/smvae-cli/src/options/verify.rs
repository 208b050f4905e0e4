//! Whether the files of a run are compared with their digests.

use clap::Args;

/// Whether the files of a run are compared with their digests.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct VerifyArgs {
    /// Do not compare the files of the run with the digests that training left, which finds a
    /// damaged copy; sizes are compared all the same.
    #[arg(long)]
    no_verify: bool,
}

impl VerifyArgs {
    /// Whether digests are compared.
    pub(crate) fn verify(self) -> bool {
        !self.no_verify
    }
}
