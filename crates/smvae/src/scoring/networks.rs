//! A text encoder and a span model on one set of parameters.

use crate::error::Result;
use smvae_core::LabelSet;
use smvae_core::candle_core::DType;
use smvae_core::model::{ModelConfig, SpanModel};
use smvae_core::nn::{Form, Parameters};
use smvae_core::objective::Objective;
use smvae_core::step;
use smvae_encoders::text::{Transformer, TransformerConfig};

/// Prefix of the encoder's parameters.
pub(crate) const ENCODER: &str = "encoder";

/// Prefix of the span model's parameters.
const MODEL: &str = "model";

/// Whether a parameter is the text encoder's.
pub(crate) fn is_encoders(parameter: &str) -> bool {
    parameter.strip_prefix(ENCODER).is_some_and(|rest| rest.starts_with('.'))
}

/// What the shapes of networks follow from.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub encoder: &'a TransformerConfig,
    pub model: &'a ModelConfig,
    pub labels: &'a LabelSet,
}

/// The networks of a run.
#[derive(Clone, Debug)]
pub(crate) struct Networks {
    pub encoder: Transformer,
    pub model: SpanModel,
}

impl Networks {
    /// Networks whose parameters, but for the frozen ones, are tracked for gradients, with those
    /// that this objective alone trains. Parameters that do not exist yet are drawn.
    pub(crate) fn for_training(
        parameters: &Parameters,
        shape: Shape<'_>,
        objective: &Objective,
        is_frozen: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let Shape { encoder, model, labels } = shape;
        let vb = parameters.partly_frozen_builder(DType::F32, is_frozen);
        let of_model = vb.pp(MODEL);
        let mut model = SpanModel::load(model, encoder.hidden_size, labels.n_classes(), &of_model)?;
        objective.add_parameters(&mut model, &of_model)?;
        Ok(Self { encoder: Transformer::load(encoder, vb.pp(ENCODER))?, model })
    }

    /// The same networks on the same memory, without gradients and without what only training
    /// needs.
    pub(crate) fn for_evaluation(
        parameters: &Parameters,
        encoder: &TransformerConfig,
        model: &ModelConfig,
        labels: &LabelSet,
    ) -> Result<Self> {
        let vb = parameters.frozen_builder(DType::F32);
        let model = SpanModel::load_for_prediction(model, encoder.hidden_size, labels.n_classes(), &vb.pp(MODEL))?;
        Ok(Self { encoder: Transformer::load(encoder, vb.pp(ENCODER))?, model })
    }

    /// The same with the decoders, which tell how little the model expected a span
    /// ([`Objective::surprise`]).
    pub(crate) fn with_decoders(mut self, parameters: &Parameters, labels: &LabelSet) -> Result<Self> {
        let vb = parameters.frozen_builder(DType::F32).pp(MODEL);
        self.model = self.model.with_decoders(labels.n_classes(), &vb)?;
        Ok(self)
    }

    /// Arranges the parameters for predictions in this form, once; later changes of them are not
    /// seen. Those that are kept in another form are freed layer by layer, where nothing else holds
    /// them.
    pub(crate) fn prepare(&mut self, form: Form) -> Result<()> {
        self.encoder.prepare(form)?;
        Ok(self.model.prepare(form)?)
    }

    pub(crate) fn borrow(&self) -> step::Networks<'_> {
        step::Networks { encoder: &self.encoder, model: &self.model }
    }
}
