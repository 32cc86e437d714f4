"""What is known of deliveries: a proven seal is settled, a failed one is left alone ever longer, a new seal is due."""

from datetime import datetime, timedelta
from pathlib import Path

from g6_market.calendar import IST
from g6_resources.delivery_proofs import ProofFiles
from tests.resources.lake_frames import FRIDAY

NOW = datetime(2026, 11, 20, 15, 50, tzinfo=IST)


def settled(proofs: ProofFiles, after: timedelta, sealed_at: str = "first") -> bool:
    proof = proofs.read(FRIDAY)
    assert proof is not None
    return proof.settles(sealed_at, NOW + after)


def test_a_proven_seal_is_settled_for_good_and_a_new_one_is_due(tmp_path: Path) -> None:
    proofs = ProofFiles(tmp_path / "proofs")
    assert proofs.read(FRIDAY) is None
    proofs.write(FRIDAY, "first", NOW, proven=True)
    assert settled(proofs, timedelta(days=300))
    assert not settled(proofs, timedelta(0), sealed_at="second")


def test_a_failed_proof_is_tried_again_after_1_2_4_hours_and_so_on_up_to_a_week(tmp_path: Path) -> None:
    proofs = ProofFiles(tmp_path)
    waits: list[int] = []
    for _ in range(10):
        proofs.write(FRIDAY, "first", NOW, proven=False)
        waits.append(next(hours for hours in range(1000) if not settled(proofs, timedelta(hours=hours))))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 168, 168]
    proofs.write(FRIDAY, "second", NOW, proven=False)
    assert not settled(proofs, timedelta(hours=1), sealed_at="second")


def test_a_file_that_cannot_be_read_is_no_proof(tmp_path: Path) -> None:
    (tmp_path / f"{FRIDAY}.json").write_text('{"sealed_at":')
    assert ProofFiles(tmp_path).read(FRIDAY) is None
