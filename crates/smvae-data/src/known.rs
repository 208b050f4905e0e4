//! Corpus files that are recognised by their digest, so that a report can say which edition it
//! counted.
//!
//! UMT is the edition that came with Yu et al. (2020), "Improving Multimodal Named Entity
//! Recognition via Entity Span Detection with Unified Multimodal Transformer"; most later work,
//! SMVAE included, uses it.

/// Name of a known corpus file, from the SHA-256 of its bytes in lower-case hexadecimal.
pub fn known_file(sha256: &str) -> Option<&'static str> {
    KNOWN_FILES.iter().find(|(digest, _)| *digest == sha256).map(|(_, name)| *name)
}

/// Digest and name of every known corpus file.
pub const KNOWN_FILES: [(&str, &str); 6] = [
    ("a6246e37aa1c8acd738747fa8257e01775f2a1cc0d4f36f82f9d41d6246ad6fa", "Twitter2015 train (UMT)"),
    ("9dcc7f9df7331de3c9cdf67a3450e041c41c6254b5e43925c576e2dfaaabe2ad", "Twitter2015 valid (UMT)"),
    ("edb2665b89bfe58bca06a2c10b9b31cbfa95456135b6a4cbf55c872e48d9b8f9", "Twitter2015 test (UMT)"),
    ("801e149e8635b19d66b4ec1212c329be340ada501b35c5fa55455fb6f53633be", "Twitter2017 train (UMT)"),
    ("41b5db90cb32059c14c2c3ccd50845fb77f1e3d3e4f7d0c210a61bc507d8a73e", "Twitter2017 valid (UMT)"),
    ("a7d9e172ae85bd3e35276eb2b01ce223321bdc92a47b234e24305d72e7a05243", "Twitter2017 test (UMT)"),
];
