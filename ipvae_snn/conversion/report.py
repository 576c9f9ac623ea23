"""Document of a conversion: rounding errors, proved bounds, stability and sampler."""

from ipvae_snn.conversion.figures import ConversionReport
from ipvae_snn.report.document import Document, Table, Text, number, paragraph, table


def document(report: ConversionReport) -> Document:
    """Return the tables and remarks."""
    return Document(
        f"Conversion to the {report.circuit} circuit",
        (
            connections_table(report),
            bounds_table(report),
            stability_table(report),
            _remarks(report),
        ),
    )


def connections_table(report: ConversionReport) -> Table:
    """Return scales, clipping, bits and rounding errors by connection."""
    parts = report.connections
    rows = [
        ("scale, least", *(f"{part.scale_min:.3g}" for part in parts)),
        ("scale, median", *(f"{part.scale_median:.3g}" for part in parts)),
        ("scale, largest", *(f"{part.scale_max:.3g}" for part in parts)),
        ("clipped weights", *(f"{part.clipped_share:.3%}" for part in parts)),
        ("weights of 0", *(f"{part.zero_share:.1%}" for part in parts)),
        ("bits used, least", *(f"{part.bits_used_min}" for part in parts)),
        ("bits used, median", *(f"{part.bits_used_median:.0f}" for part in parts)),
        ("rounding error, median row", *(f"{part.relative_error_median:.2%}" for part in parts)),
        ("rounding error, worst row", *(f"{part.relative_error_max:.2%}" for part in parts)),
    ]
    return table("Connections", ("", *(part.name for part in parts)), rows)


def bounds_table(report: ConversionReport) -> Table:
    """Return the worst value of each sum that any input can cause, and its limit."""
    return table(
        "Proved for every image and every count",
        ("", "worst case", "limit", "share"),
        [
            (
                f"{bound.name} (neuron {bound.neuron})",
                f"{bound.worst:,}",
                f"{bound.limit:,}",
                f"{100 * bound.worst / bound.limit:.1f} %",
            )
            for bound in report.bounds
        ],
    )


def stability_table(report: ConversionReport) -> Table:
    """Return the proved and measured stability."""
    proof = report.certificate
    return table(
        "Stability, in nats per spike",
        ("", "value", "must be"),
        [
            (
                "rate bound (probability per step)",
                f"{proof.rate_bound:.1g}",
                f"at most {proof.rate_bound_limit:.0g}",
            ),
            ("  rate cap, spikes per step", number(proof.rate_cap, 0)),
            ("  largest excitation, nats", number(proof.excitation)),
            ("  neurons strengthened for it", f"{proof.strengthened}"),
            ("  neurons exempt from it", f"{proof.exempt}"),
            (
                f"energy margin up to {proof.energy_rate:.0f} spikes per step",
                f"{proof.energy_margin:.1g}",
                "not below 0",
            ),
            (
                "  self-inhibition added for it",
                f"{proof.shift:.1g}",
                f"(median neuron: {proof.own_inhibition:.3g})",
            ),
            (
                "  smallest eigenvalue",
                f"{proof.smallest_eigenvalue:.1g}",
                f"(float {proof.float_eigenvalue:.1g})",
            ),
            (
                "loop gain at calibrated rates",
                number(proof.loop_gain),
                f"below 2 (float {proof.float_loop_gain:.3f})",
            ),
        ],
    )


def _remarks(report: ConversionReport) -> Text:
    sampler = report.sampler
    return paragraph(
        f"{report.circuit} circuit; {report.pixels_left_out} of {report.pixels} pixels never "
        "change in calibration and are left out; potentials reach "
        f"{report.calibrated_max_octaves:.2f} "
        f"octaves and are clamped at {report.state_max_octaves:.2f}; counts saturate at "
        f"{report.max_count} (probability at the cap {sampler.count_tail:.1g}); state in "
        f"2^-{report.fraction_bits} octaves, current {report.extra_bits} bits finer; the sampler "
        f"is within {sampler.total_variation_16:.1g} of Poisson up to rate 16, "
        f"{sampler.total_variation:.1g} up to the cap ({report.calibration})",
    )
