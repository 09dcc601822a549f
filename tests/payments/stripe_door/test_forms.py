"""Form bodies as Stripe's clients write them."""

import pytest

from payments.stripe_door.errors import InvalidRequest
from payments.stripe_door.forms import DEPTH_MAX, FIELDS_MAX, parse_form


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ("", {}),
            ("amount=100&currency=cny", {"amount": "100", "currency": "cny"}),
            ("description=", {"description": ""}),
            ("description=%E5%8D%88%E9%A4%90+1", {"description": "午餐 1"}),
            ("metadata[canteen]=c1&metadata[a.b]=2", {"metadata": {"canteen": "c1", "a.b": "2"}}),
            ("metadata%5Bcanteen%5D=c1", {"metadata": {"canteen": "c1"}}),
            ("expand[0]=a&expand[1]=b", {"expand": ["a", "b"]}),
            ("expand[1]=b&expand[0]=a", {"expand": ["a", "b"]}),
            ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
            (
                "payment_method_data[type]=one_card&payment_method_data[one_card][code]=7",
                {"payment_method_data": {"type": "one_card", "one_card": {"code": "7"}}},
            ),
            ("a=1&a=2", {"a": "2"}),
        ],
    )
    def test_fields_become_values(self, text: str, form: object) -> None:
        assert parse_form(text) == form

    @pytest.mark.parametrize(
        "text",
        [
            "a[b=1",
            "[a]=1",
            "a]b[=1",
            "a=1&a[b]=2",
            "a[b]=1&a=2",
            "a" + "[b]" * DEPTH_MAX + "=1",
            "&".join(f"a{n}=1" for n in range(FIELDS_MAX + 1)),
            "a=%ff",
        ],
    )
    def test_what_makes_no_sense_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            parse_form(text)
