//! Image vectors: what is read back, what is counted, and which files are refused.

use super::*;

fn map(rows: &[(&str, &[f32])]) -> BTreeMap<String, Vec<f32>> {
    rows.iter().map(|(id, values)| ((*id).to_owned(), values.to_vec())).collect()
}

fn posts(ids: &[&str]) -> Vec<Sample> {
    ids.iter().map(|id| Sample { image_id: (*id).to_owned(), ..Sample::default() }).collect()
}

/// Loads a file with these tensors.
fn load(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Result<ImageVectors> {
    let views = tensors.iter().map(|(id, dtype, shape, data)| {
        (id, TensorView::new(*dtype, shape.to_vec(), data).expect("bytes fit the shape"))
    });
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("v.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).expect("serialises")).expect("writes");
    ImageVectors::load(&path)
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn ids_that_are_paths_are_found_with_and_without_extension() {
    let made = ImageVectors::from_map(
        ["1", "photos/1.jpg", "photos/1.png", "photos/2.JPG"].map(|id| (id.to_owned(), vec![1.0])).into(),
    )
    .expect("equal widths");
    let check = |id: &str, want: Option<&str>| {
        let got = made.row_of(id).map(|row| made.ids().nth(row).expect("a row"));
        assert_eq!(got, want, "{id}");
    };
    check("1", Some("1"));
    check("1.jpg", Some("1"));
    check("photos/1.png", Some("photos/1.png"));
    check("./photos/1", Some("photos/1.jpg"));
    check("photos/2", Some("photos/2.JPG"));
    check("photos/1.gif", None);
    check("2.jpg", None);
    check("", None);
}

#[test]
fn vectors_are_read_back_with_the_same_digest() {
    let made = ImageVectors::from_map(map(&[("b", &[1.0, -2.5]), ("a", &[0.0, 3.25])])).expect("two vectors");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("v.safetensors");
    made.save(&path).expect("writes");
    let read = ImageVectors::load(&path).expect("its own file");
    assert_eq!((read.width(), read.len(), read.get("b"), read.get("c")), (2, 2, Some(&[1.0, -2.5][..]), None));
    assert_eq!(read.ids().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((read.sha256(), read.path()), (made.sha256(), Some(path.as_path())));
}

#[test]
fn another_image_is_no_ones_own_and_every_ones_once() {
    for n in 2..6 {
        let rows = (0..n).map(|i| (i.to_string(), vec![0.0])).collect();
        let made = ImageVectors::from_map(rows).expect("vectors of one width");
        let others: BTreeSet<usize> = made.ids().filter_map(|id| made.row_of_other(id)).collect();
        assert_eq!(others.len(), n);
        assert!(made.ids().all(|id| made.row_of_other(id) != made.row_of(id)));
        assert_eq!(made.row_of_other("none"), None);
    }
}

#[test]
fn half_precision_is_widened() {
    let bytes = [1.5f32, -0.25].iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
    let read = load(&[("a", Dtype::F16, &[2], bytes)]).expect("f16");
    assert_eq!(read.get("a"), Some(&[1.5, -0.25][..]));
}

#[test]
fn a_description_and_the_precision_survive() {
    let values = [1.0, -2.5, 0.1];
    let made = ImageVectors::from_map(map(&[("a", &values)])).expect("a vector");
    let plain = made.sha256().to_owned();
    let made = made.with_description("{\"model\": \"m\"}".to_owned());
    assert_ne!(made.sha256(), plain, "the description is part of the digest");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("v.safetensors");
    made.save(&path).expect("writes");
    let read = ImageVectors::load(&path).expect("its own file");
    assert_eq!((read.description(), read.sha256()), (made.description(), made.sha256()));
    made.save_as(&path, VectorPrecision::F16).expect("writes");
    let read = ImageVectors::load(&path).expect("its own file");
    assert_eq!((read.description(), read.get("a")), (made.description(), Some(&[1.0, -2.5, 0.099_975_586][..])));
    let wide = ImageVectors::from_map(map(&[("a", &[1.0]), ("b", &[65_520.0])])).expect("two vectors");
    let error = wide.save_as(&path, VectorPrecision::F16).expect_err("f16 ends before").to_string();
    assert!(error.contains("image \"b\" has the value 65520 at 0"), "{error}");
}

#[test]
fn posts_without_a_vector_are_counted() {
    let made = ImageVectors::from_map(map(&[("a", &[1.0]), ("b", &[1.0])])).expect("two vectors");
    let got = made.coverage(&posts(&["z", "a", "a", "y", "z"])).expect("some match");
    assert_eq!(got, Coverage { found: 2, missing: 3, missing_ids: vec!["y".to_owned(), "z".to_owned()] });
    let error = made.coverage(&posts(&["y"])).expect_err("no vector of it");
    assert!(matches!(error, Error::NoMatch { vectors: 2, posts: 1, .. }));
    let first = made.ids().next().expect("two");
    let told = format!("the first vector is of {first:?}, the first post's image is \"y\"");
    assert!(error.to_string().ends_with(&told), "{error}");
    assert_eq!(made.coverage(&[]).expect("no posts, no mismatch").found, 0);
}

#[track_caller]
fn check_fault(result: Result<ImageVectors>, id: &str, why: &str) {
    match result {
        Err(error @ Error::ImageVector { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&format!("image {id:?}")) && text.contains(why), "{text}");
        }
        other => panic!("expected a fault of {id}, got {other:?}"),
    }
}

#[test]
fn faults_name_file_and_id() {
    let ok = || ("a", Dtype::F32, &[2][..], f32s(&[0.0, 0.0]));
    check_fault(load(&[ok(), ("b", Dtype::F32, &[1], f32s(&[0.0]))]), "b", "v.safetensors: the vector");
    check_fault(load(&[ok(), ("b", Dtype::F32, &[1], f32s(&[0.0]))]), "b", "1 values, that of image \"a\" has 2");
    check_fault(load(&[ok(), ("b", Dtype::F32, &[1, 2], f32s(&[0.0, 0.0]))]), "b", "[1, 2], expected one dimension");
    check_fault(load(&[ok(), ("b", Dtype::F32, &[2], f32s(&[0.0, f32::NAN]))]), "b", "NaN at 1");
    check_fault(load(&[ok(), ("b", Dtype::I32, &[2], vec![0; 8])]), "b", "I32, expected F32, F16 or F64");
    check_fault(load(&[("b", Dtype::F32, &[0], vec![])]), "b", "no values");
    check_fault(ImageVectors::from_map(map(&[("__metadata__", &[1.0])])), "__metadata__", "reserves");
    check_fault(ImageVectors::from_map(map(&[("a", &[f32::INFINITY])])), "a", "inf at 0");
}

#[test]
fn what_is_odd_about_vectors_is_noted() {
    #[track_caller]
    fn check(images: &ImageVectors, ids: &[&str], want: &[&str]) {
        let got: Vec<String> = images.notes(&posts(ids)).iter().map(ToString::to_string).collect();
        assert_eq!(got, want);
    }
    let made = |rows: &[(&str, &[f32])]| ImageVectors::from_map(map(rows)).expect("equal widths");
    check(&made(&[("a", &[1.0, 2.0]), ("b", &[2.0, 2.5])]), &["a", "b", "./a", "c"], &[]);
    // One value is all that vectors of width 1 can have.
    check(&made(&[("a", &[1.0]), ("b", &[2.0])]), &[], &[]);
    let constant = "1 image vectors have one value throughout, the first of them that of \"b\"";
    check(&made(&[("a", &[1.0, 2.0]), ("b", &[2.0, 2.0])]), &[], &[constant]);
    check(&made(&[("a", &[1.0, 2.0]), ("b", &[1.0, 2.0])]), &[], &["all 2 image vectors are the same"]);
    let found = "the images of 2 posts are found by another name, the first as \"a.jpg\" for \"a\"";
    check(&made(&[("a.jpg", &[1.0, 2.0]), ("b", &[2.0, 2.5])]), &["a", "b.png", "c"], &[found]);
    let f64s = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let wide = load(&[("a", Dtype::F64, &[2], f64s(&[0.1, 2.0]))]).expect("numbers");
    assert_eq!(wide.get("a"), Some([0.1f32, 2.0].as_slice()));
    check(&wide, &[], &["1 image vectors of f64 were converted to f32"]);
    check_fault(load(&[("a", Dtype::F64, &[1], f64s(&[1e300]))]), "a", "inf");
}

#[test]
fn files_that_hold_no_vectors_are_errors() {
    assert!(matches!(load(&[]), Err(Error::NoVectors { path: Some(_) })));
    assert!(matches!(ImageVectors::from_map(map(&[])), Err(Error::NoVectors { path: None })));
    assert!(matches!(ImageVectors::load("no/such/file"), Err(Error::Read { .. })));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("v.safetensors");
    std::fs::write(&path, b"IMGID:1\na\tO\n").expect("writes");
    assert!(matches!(ImageVectors::load(&path), Err(Error::Safetensors { .. })));
}
