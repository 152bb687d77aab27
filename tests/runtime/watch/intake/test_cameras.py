"""What a camera is called."""

from __future__ import annotations

import pytest

from reid_edge.watch.intake.cameras import camera_of_folder


@pytest.mark.parametrize(
    ("root", "path", "camera"),
    [
        (b"/srv/photos", b"/srv/photos/waterhole/a/1.jpg", "waterhole"),
        (b"/srv/photos", b"/srv/photos/1.jpg", "photos"),
        (b"/", b"/1.jpg", "/"),
        (b"/media", b"/media/CAM07/DCIM/100EK113/1.jpg", "CAM07"),
        (b"/media/CAM07", b"/media/CAM07/DCIM/100EK113/1.jpg", "CAM07"),
        (b"/media/CAM07/", b"/media/CAM07/dcim/1.jpg", "CAM07"),
        (b"/media/CAM07/DCIM", b"/media/CAM07/DCIM/100EK113/1.jpg", "CAM07"),
    ],
)
def test_a_camera_is_the_first_folder_below_the_root_and_dcim_is_none(root: bytes, path: bytes, camera: str) -> None:
    assert camera_of_folder(root, path) == camera
