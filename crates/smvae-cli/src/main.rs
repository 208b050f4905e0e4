//! smvae
fn main() {}
