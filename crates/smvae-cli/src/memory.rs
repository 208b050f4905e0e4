//! Memory of this process: what is freed is kept for what comes next.
//!
//! Tensors of a batch are megabytes, taken and freed again and again. glibc gives such memory back
//! to the system, which clears every page when it is taken the next time: a seventh of the time of
//! `predict` in int8 went there (`benches/RESULTS.md`). Other systems and allocators are left as
//! they are.

/// Takes tensors of up to 32 MiB, the most that glibc allows, from its heaps instead of from
/// mappings of their own, and returns free memory at the end of a heap only above 256 MiB. Does
/// nothing if the environment sets glibc's own variables for it.
pub(crate) fn keep_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    {
        let is_set = |name| std::env::var_os(name).is_some();
        if !["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"].into_iter().any(is_set) {
            // SAFETY: numbers, and no memory of ours; glibc locks what it changes.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
                libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
            }
        }
    }
}
