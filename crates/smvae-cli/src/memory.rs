//! Memory of this process: what is freed is kept for what comes next.
//!
//! Tensors of a batch are megabytes, taken and freed again and again. glibc gives such memory back
//! to the system, which clears every page when it is taken the next time: an eighth of the time of
//! `predict` in int8 went there (`benches/RESULTS.md`). Other systems and allocators are left as
//! they are.

/// Lets glibc map no tensor of up to 32 MiB, which is as many as it grants, on its own, and give
/// memory back where more than 256 MiB are free at the end of its heap. The environment may say
/// otherwise, as glibc reads it.
pub(crate) fn keep_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let names = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"];
        if names.iter().all(|name| std::env::var_os(name).is_none()) {
            // SAFETY: numbers, and no memory of ours; glibc locks what it changes.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
                libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
            }
        }
    }
}
