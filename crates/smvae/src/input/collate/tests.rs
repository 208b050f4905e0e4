//! Tests of items and batches.

use super::*;
use smvae_data::{Captions, Sample};
use smvae_encoders::text::Family;

fn post(words: &[&str], image_id: &str) -> Sample {
    let words = words.iter().map(|w| (*w).to_owned()).collect();
    Sample { words, image_id: image_id.to_owned(), ..Sample::default() }
}

fn collator_test(words: &[&str], max_pieces: usize, check: impl Fn(&Collator<'_>, Item)) {
    let vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "new", "york", "##ers"].map(str::to_owned).to_vec();
    let tokenizer = WordTokenizer::from_vocab(vocab).expect("a valid vocabulary");
    let input = InputConfig { max_pieces, max_width: 2, ..InputConfig::default() };
    let (quirks, encoder) = (Quirks::default(), smvae_encoders::text::tiny(tokenizer.vocab_size()));
    let collator = Collator {
        tokenizer: &tokenizer,
        input: &input,
        quirks: &quirks,
        encoder: &encoder,
        images: None,
        captions: CaptionSource::Posts,
    };
    let item = collator.item(&post(words, "")).expect("valid words");
    check(&collator, item);
}

#[test]
fn positions_are_those_of_the_original_words() {
    collator_test(&["https://t.co/x", "New", "http://y", "Yorkers", "x"], 100, |collator, item| {
        assert_eq!(item.ids, [2, 4, 5, 6, 1, 3]);
        assert_eq!(item.words, [1..2, 2..4, 4..5]);
        assert_eq!(item.positions, [1, 3, 4]);
        assert_eq!(item.original_span(Span::new(0, 2)), Span::new(1, 4));
        let labels = LabelSet::new(["LOC"]).expect("one type");
        // In original words; the second starts at a URL, which is not there any more.
        let entities = [Entity::new(1, 2, "LOC"), Entity::new(2, 4, "LOC"), Entity::new(3, 5, "LOC")];
        let gold: Vec<LabelledSpan> = collator.labelled_candidates(&item, &entities, &labels);
        let gold: Vec<Span> = gold.into_iter().filter(|(_, class)| *class == 1).map(|(span, _)| span).collect();
        assert_eq!(gold, [Span::new(0, 1), Span::new(1, 3)]);
    });
}

#[test]
fn a_long_post_is_cut_at_a_word_and_says_so() {
    collator_test(&["new", "yorkers", "new"], 4, |_, item| {
        assert_eq!((item.ids.as_slice(), item.n_cut), (&[2, 4, 3][..], 2));
        assert_eq!(item.positions, [0]);
    });
}

#[track_caller]
fn check_windows(words: &[&str], max_pieces: usize, want: &[(&[u32], &[usize])], n_cut: usize) {
    collator_test(words, max_pieces, |collator, _| {
        let items = collator.in_windows(&post(words, "")).expect("valid words");
        let got: Vec<_> = items.iter().map(|item| (item.ids.as_slice(), item.positions.as_slice())).collect();
        assert_eq!(got, want);
        assert_eq!(items.iter().map(|item| item.n_cut).sum::<usize>(), n_cut);
        for item in &items {
            assert_eq!(item.shapes.len(), item.words.len());
            assert!(item.words.iter().all(|pieces| pieces.start > 0 && pieces.end < item.ids.len()));
        }
        // Each span of up to two words that stand beside each other is there once.
        let spans = |item: &Item| -> Vec<Span> {
            collator.candidates(item).into_iter().map(|span| item.original_span(span)).collect()
        };
        let mut spans: Vec<Span> = items.iter().flat_map(spans).collect();
        let n = spans.len();
        spans.sort();
        spans.dedup();
        assert_eq!(spans.len(), n);
    });
}

#[test]
fn a_long_post_is_read_in_windows() {
    check_windows(&["new", "york"], 4, &[(&[2, 4, 5, 3], &[0, 1])], 0);
    check_windows(
        &["new", "york", "http://t.co/x", "new"],
        4,
        &[(&[2, 4, 5, 3], &[0, 1]), (&[2, 5, 4, 3], &[1, 3])],
        0,
    );
    // A word that no window has room for is cut alone.
    check_windows(
        &["new", "york", "yorkersersers", "yorkers"],
        4,
        &[(&[2, 4, 5, 3], &[0, 1]), (&[2, 5, 6, 3], &[3])],
        1,
    );
    check_windows(&["yorkersers", "yorkersers"], 4, &[(&[2, 3], &[])], 2);
    check_windows(&["new", "york"], 2, &[(&[2, 3], &[])], 2);
}

#[test]
fn each_post_has_the_image_it_is_to_have() {
    let vectors = [("a", 1.0), ("b", 2.0), ("c", 3.0)].map(|(id, x)| (id.to_owned(), vec![x, -x]));
    let vectors = ImageVectors::from_map(vectors.into_iter().collect()).expect("vectors of one width");
    let identity = ImageIdentity::new(&vectors, &[], false);
    for (image, want) in [
        (ImageUse::Own, [2.0, -2.0, 0.0, 0.0, 1.0, -1.0]),
        (ImageUse::Shuffled, [1.0, -1.0, 0.0, 0.0, 3.0, -3.0]),
        (ImageUse::Zero, [0.0; 6]),
    ] {
        collator_test(&["new"], 100, |collator, _| {
            let input = InputConfig { image, ..InputConfig::default() };
            let collator = Collator { input: &input, images: Some((&identity, Some(&vectors))), ..*collator };
            let items = ["b", "missing", "a"].map(|id| collator.item(&post(&["new"], id)).expect("a valid word"));
            let chosen = items.each_ref().map(|item| (item, vec![Span::new(0, 1)]));
            let batch = collator.batch(&chosen, &Device::Cpu).expect("it fits");
            let rows = batch.images.as_ref().expect("there are images").flatten_all().expect("rows");
            assert_eq!(
                (rows.to_vec1::<f32>().expect("f32"), batch.has_image),
                (want.to_vec(), vec![true, false, true])
            );
        });
    }
}

#[test]
fn texts_are_packed_and_words_counted_over_the_batch() {
    collator_test(&["new", "yorkers"], 100, |collator, item| {
        let spans = vec![Span::new(0, 1), Span::new(0, 2)];
        let batch = collator.batch(&[(&item, spans.clone()), (&item, spans)], &Device::Cpu).expect("it fits");
        batch.validate().expect("consistent");
        assert_eq!(batch.words, [1..2, 2..4, 6..7, 7..9]);
        assert_eq!(batch.spans[3], BatchSpan { text: 1, words: Span::new(2, 4) });
        assert!(batch.images.is_none() && batch.has_image == [false, false]);
    });
}

/// The caption pieces of the items of a post, each with the number of the post's own pieces.
#[track_caller]
fn check_captions(
    words: &str,
    caption: &str,
    change: impl Fn(&mut InputConfig, &mut TransformerConfig),
    want: &[(usize, &[u32])],
) {
    let words: Vec<&str> = words.split(' ').collect();
    collator_test(&words, 100, |collator, _| {
        let (mut input, mut encoder) = (collator.input.clone(), collator.encoder.clone());
        change(&mut input, &mut encoder);
        let collator = Collator { input: &input, encoder: &encoder, ..*collator };
        let with_caption = Sample { caption: Some(caption.to_owned()), ..post(&words, "") };
        let items = collator.in_windows(&with_caption).expect("valid words");
        let got: Vec<_> = items.iter().map(|item| (item.ids.len(), item.caption.as_slice())).collect();
        assert_eq!(got, want);
        let alone = collator.in_windows(&post(&words, "")).expect("valid words");
        assert!(alone.iter().all(|item| item.caption.is_empty()));
        for item in &items {
            assert!(item.n_pieces() <= encoder.position_limit(), "{item:?}");
        }
        // Read at once, the same.
        if let [item] = items.as_slice() {
            assert_eq!(collator.item(&with_caption).expect("valid words").caption, item.caption);
            assert_eq!((&item.ids, &item.words), (&alone[0].ids, &alone[0].words));
        }
    });
}

#[test]
fn a_caption_stands_behind_the_post_as_far_as_there_is_room() {
    let same = |_: &mut InputConfig, _: &mut TransformerConfig| {};
    check_captions("new york", "Yorkers new", same, &[(4, &[5, 6, 4, 3])]);
    check_captions("new york", " ", same, &[(4, &[])]);
    // RoBERTa's family has two separators between a text and its pair.
    let roberta = |_: &mut InputConfig, encoder: &mut TransformerConfig| encoder.model_type = Family::Roberta;
    check_captions("new york", "new", roberta, &[(4, &[3, 4, 3])]);
    // The limit of captions cuts at a word; where no word fits, nothing is read.
    let limit = |n| move |input: &mut InputConfig, _: &mut TransformerConfig| input.max_caption_pieces = n;
    check_captions("new york", "new yorkers new", limit(3), &[(4, &[4, 3])]);
    check_captions("new york", "new yorkers new", limit(4), &[(4, &[4, 5, 6, 3])]);
    check_captions("new york", "new", limit(1), &[(4, &[])]);
    check_captions("new york", "new", limit(0), &[(4, &[])]);
    // The post comes first: a caption has the positions that it leaves.
    let positions = |n| move |_: &mut InputConfig, encoder: &mut TransformerConfig| encoder.max_position_embeddings = n;
    check_captions("new york", "new york new york", positions(7), &[(4, &[4, 5, 3])]);
    check_captions("new york", "new york", positions(5), &[(4, &[])]);
    check_captions("new york", "new york", positions(4), &[(4, &[])]);
}

#[test]
fn each_window_of_a_long_post_has_the_caption() {
    #[track_caller]
    fn check(words: &[&str], has_caption: bool) {
        collator_test(words, 100, |collator, _| {
            let encoder = TransformerConfig { max_position_embeddings: 10, ..collator.encoder.clone() };
            let collator = Collator { encoder: &encoder, ..*collator };
            let with_caption = Sample { caption: Some("new".to_owned()), ..post(words, "") };
            let items = collator.in_windows(&with_caption).expect("valid words");
            assert!(items.len() > 1 && items.iter().all(|item| item.n_pieces() <= 10), "{items:?}");
            // A window that is not full has room in any case.
            assert_eq!(items.iter().all(|item| item.caption == [4, 3]), has_caption, "{items:?}");
            // No span is lost for the caption's sake.
            let spans = |items: &[Item]| {
                let of_item =
                    |item: &Item| collator.candidates(item).into_iter().map(|s| item.original_span(s)).collect();
                let mut spans: Vec<Span> = items.iter().flat_map(|item| -> Vec<Span> { of_item(item) }).collect();
                spans.sort();
                spans
            };
            assert_eq!(spans(&items), spans(&collator.in_windows(&post(words, "")).expect("valid words")));
        });
    }
    check(&["new"; 20], true);
    check(&["yorkers"; 20], true);
    // A span that only the whole limit has room for.
    check(&["yorkersersersers", "yorkers", "new", "new", "new", "new", "new"], false);
}

#[test]
fn another_caption_is_that_of_another_image() {
    let texts = [("a", "new"), ("b", "york"), ("c", "yorkers")].map(|(id, text)| (id.to_owned(), text.to_owned()));
    let captions = Captions::from_map(texts.into_iter().collect()).expect("captions");
    for (source, caption, want) in [
        (CaptionSource::Images(&captions), CaptionUse::Own, [&[5, 3][..], &[4, 3], &[]]),
        (CaptionSource::Images(&captions), CaptionUse::Shuffled, [&[4, 3], &[5, 6, 3], &[]]),
        (CaptionSource::Posts, CaptionUse::Own, [&[], &[4, 3], &[]]),
        (CaptionSource::Unread, CaptionUse::Own, [&[], &[], &[]]),
    ] {
        collator_test(&["new"], 100, |collator, _| {
            let input = InputConfig { caption, ..InputConfig::default() };
            let collator = Collator { input: &input, captions: source, ..*collator };
            // The second has its own.
            let posts = [("b", None), ("a", Some("new")), ("missing", None)]
                .map(|(id, own)| Sample { caption: own.map(str::to_owned), ..post(&["new"], id) });
            let items = posts.map(|post| collator.item(&post).expect("a valid word").caption);
            assert_eq!(items, want, "{source:?} {caption:?}");
        });
    }
}

#[test]
fn captions_are_packed_behind_their_texts_and_no_word_is_of_them() {
    collator_test(&["new", "yorkers"], 100, |collator, item| {
        let captioned = Item { caption: vec![4, 3], ..item.clone() };
        let spans = || vec![Span::new(0, 2)];
        let items = [(&captioned, spans()), (&item, spans()), (&captioned, spans())];
        let batch = collator.batch(&items, &Device::Cpu).expect("it fits");
        batch.validate().expect("consistent");
        assert_eq!(batch.pieces.ids(), [2, 4, 5, 6, 3, 4, 3, 2, 4, 5, 6, 3, 2, 4, 5, 6, 3, 4, 3]);
        assert_eq!(
            (batch.pieces.layout().lengths(), batch.pieces.own_layout().lengths()),
            (&[7, 5, 7][..], &[5, 5, 5][..])
        );
        assert_eq!(batch.words, [1..2, 2..4, 6..7, 7..9, 11..12, 12..14]);
        let beside = [false, true, false].map(|caption| Beside { caption, image: true });
        let dropped = collator.batch_of(&items, &beside, &Device::Cpu).expect("it fits");
        let alone = [(&item, spans()), (&item, spans()), (&item, spans())];
        assert_eq!(dropped.pieces, collator.batch(&alone, &Device::Cpu).expect("it fits").pieces);
    });
}
