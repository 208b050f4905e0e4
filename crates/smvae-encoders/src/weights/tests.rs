//! Weights files of every form, and how their tensors fit a network.

use super::*;
use std::collections::HashMap;

fn ones(shape: &[usize], dtype: DType) -> Tensor {
    Tensor::ones(shape, dtype, &Device::Cpu).expect("a small tensor")
}

fn weights(tensors: &[(&str, &[usize], DType)]) -> Weights {
    let tensors = tensors.iter().map(|(name, shape, dtype)| ((*name).to_owned(), ones(shape, *dtype))).collect();
    Weights { path: "w.safetensors".into(), tensors }
}

/// A network of a matrix `w` and a vector `b`.
fn network() -> BTreeMap<String, Shape> {
    let expected = expected(|vb| {
        vb.pp("layer").get((2, 3), "w")?;
        vb.pp("layer").get(3, "b")
    });
    expected.expect("a recorder knows every tensor")
}

/// Fits tensors whose names may begin with `model.`, but for those that begin with `head.`.
fn fit(tensors: &[(&str, &[usize], DType)], missing: Missing) -> Result<LoadReport, Vec<String>> {
    let name = |name: &str| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        (!name.starts_with("head.")).then(|| name.to_owned())
    };
    match weights(tensors).fit(&network(), name, missing) {
        Ok((fitted, report)) => {
            for (name, tensor) in fitted {
                assert_eq!((tensor.dtype(), tensor.shape()), (DType::F32, &network()[&name]));
            }
            Ok(report)
        }
        Err(Error::Weights { problems, .. }) => Err(problems),
        Err(other) => panic!("{other}"),
    }
}

const W: (&str, &[usize], DType) = ("layer.w", &[2, 3], DType::F32);
const B: (&str, &[usize], DType) = ("model.layer.b", &[3], DType::F16);

#[test]
fn tensors_find_their_place() {
    use Missing::{Draw, Refuse};
    assert_eq!(fit(&[W, B, ("head.w", &[9], DType::F32)], Refuse), Ok(LoadReport::default()));
    let other = fit(&[W, ("layer.b", &[1, 3], DType::F64), ("model.x", &[1], DType::U8)], Refuse);
    let reshaped = vec![Reshaped { name: "layer.b".to_owned(), from: vec![1, 3], to: vec![3] }];
    assert_eq!(other, Ok(LoadReport { unused: vec!["model.x".to_owned()], reshaped, ..Default::default() }));
    let drawn = LoadReport { missing: vec!["layer.b".to_owned()], ..Default::default() };
    assert_eq!(fit(&[W], Draw), Ok(drawn));
}

#[test]
fn what_does_not_fit_is_named() {
    let check = |tensors: &[(&str, &[usize], DType)], missing, want: &[&str]| {
        let problems = fit(tensors, missing).expect_err("something is wrong");
        assert_eq!(problems.len(), want.len(), "{problems:?}");
        assert!(problems.iter().zip(want).all(|(got, want)| got.contains(want)), "{problems:?}");
    };
    check(&[W], Missing::Refuse, &["layer.b is missing"]);
    // The weights of an entirely different model are an error even then.
    check(&[("x", &[1], DType::F32)], Missing::Draw, &["layer.b is missing", "layer.w is missing"]);
    check(&[("layer.w", &[3, 2], DType::F32), B], Missing::Draw, &["layer.w has the shape [3, 2], not [2, 3]"]);
    check(&[W, ("layer.b", &[3], DType::U8)], Missing::Refuse, &["not floating point"]);
    check(&[W, B, ("layer.b", &[3], DType::F32)], Missing::Refuse, &["there twice"]);
}

#[test]
fn shards_are_read_through_their_index() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let save = |name: &str, tensor: &str| {
        let tensors = HashMap::from([(tensor.to_owned(), ones(&[2], DType::F32))]);
        safetensors::save(&tensors, path(name)).expect("writable");
    };
    assert!(matches!(Weights::from_folder(folder.path()), Err(Error::NoWeights { .. })));
    let index = |map: &str| {
        std::fs::write(path("model.safetensors.index.json"), format!(r#"{{"weight_map": {map}}}"#)).expect("writable");
        Weights::from_folder(folder.path())
    };
    save("1.safetensors", "a");
    assert!(matches!(index(r#"{"a": "1.safetensors", "b": "2.safetensors"}"#), Err(Error::Read { .. })));
    save("2.safetensors", "b");
    let read = index(r#"{"a": "1.safetensors", "b": "2.safetensors"}"#).expect("both are there");
    assert_eq!(read.tensors.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(matches!(index(r#"{"a": "../1.safetensors"}"#), Err(Error::WeightsFile { .. })));
    assert!(matches!(index("[]"), Err(Error::Json { .. })));
    // The index says which shard has a tensor, or two of them must not.
    let shard = |name: &str, numbers: &[f32]| {
        let of = |numbers: &[f32]| Tensor::new(numbers, &Device::Cpu).expect("a small tensor");
        let tensors = HashMap::from([("x".to_owned(), of(numbers)), (name.to_owned(), of(&[0.0]))]);
        safetensors::save(&tensors, path(&format!("{name}.safetensors"))).expect("writable");
    };
    shard("3", &[3.0]);
    shard("4", &[4.0]);
    let read = index(r#"{"3": "3.safetensors", "4": "4.safetensors", "x": "3.safetensors"}"#).expect("both are there");
    assert_eq!(read.tensors["x"].to_vec1::<f32>().expect("one number"), [3.0]);
    let error = index(r#"{"3": "3.safetensors", "4": "4.safetensors"}"#).expect_err("which of two").to_string();
    assert!(error.contains("x is in several shards"), "{error}");
    // One file wins over shards.
    save("model.safetensors", "c");
    assert_eq!(index("{}").expect("one file").tensors.len(), 1);
}

#[test]
fn one_form_of_weights_is_wanted() {
    let check = |names: &[&str], want: &[&str]| assert_eq!(weight_files(names), want, "{names:?}");
    check(&["tf_model.h5", "config.json"], &[]);
    check(&["pytorch_model.bin", "model.safetensors"], &["model.safetensors"]);
    check(&["pytorch_model.bin", "model.onnx"], &["pytorch_model.bin"]);
    let shards = ["model-1-of-2.safetensors", "model-2-of-2.safetensors", "model.safetensors.index.json"];
    check(&[&shards[..], &["pytorch_model-1-of-1.bin", "models.safetensors"]].concat(), &shards);
    let old = ["pytorch_model-1-of-1.bin", "pytorch_model.bin.index.json"];
    check(&[&old[..], &["model-1-of-1.safetensors"]].concat(), &old);
}

#[test]
fn files_that_are_no_weights_are_errors() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = |name: &str, bytes: &[u8], want: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        let message = Weights::from_file(path).expect_err(want).to_string();
        assert!(message.contains(want), "{message}");
    };
    check("a.safetensors", b"", "cannot be read as safetensors");
    check("a.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "cannot be read as safetensors");
    check("a.bin", b"", "is not a zip archive");
    check("a.bin", b"\x80\x02\x8a\x0a", "PyTorch before 1.6");
    check("a.bin", b"PK\x03\x04cut", "cannot be read as PyTorch weights");
    assert!(matches!(Weights::from_file(folder.path()), Err(Error::WeightsFile { .. })));
    assert!(matches!(Weights::from_file(folder.path().join("no")), Err(Error::Read { .. })));
}
