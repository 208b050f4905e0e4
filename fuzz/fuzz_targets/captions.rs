//! The target `captions` of `src/targets` for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| smvae_fuzz::run("captions", input));
