//! smvae
