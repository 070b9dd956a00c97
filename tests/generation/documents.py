"""Calls of every operation of the descriptions in documents/: what is called, and what has to go out."""

from __future__ import annotations

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A call of the public client, and the request that it sends."""

    expression: str
    request: str
    body: Any = None


ID = "00000000-0000-0000-0000-000000000007"
PET = {"name": "Rex", "photoUrls": ["https://example.org/rex.png"], "category": {"id": 1, "name": "Dogs"}}
USER = "username='ada', first_name='Ada', user_status=1"
TYPED_USER = {"username": "ada", "firstName": "Ada", "userStatus": 1}
TICKET = "ticket_type='general', ticket_date=date(2030, 5, 4), email='ada@example.org'"
EVENT = "name='Tea', location='Room', event_description='Tea.', dates=[date(2030, 5, 4)], price=2.5"
TYPED_EVENT = {"name": "Tea", "location": "Room", "eventDescription": "Tea.", "dates": ["2030-05-04"], "price": 2.5}
CARD = {"object": "card", "number": "4242", "cvc": "123"}

CALLS: dict[str, list[Call]] = {
    "museum": [
        Call("get_museum_hours(start_date=date(2030, 5, 4), page=2)", "GET /museum-hours?startDate=2030-05-04&page=2"),
        Call(f"create_special_event({EVENT})", "POST /special-events", TYPED_EVENT),
        Call("list_special_events(end_date='2030-05-04')", "GET /special-events?endDate=2030-05-04"),
        Call("get_special_event(UUID(int=7))", f"GET /special-events/{ID}"),
        Call("update_special_event(UUID(int=7), price=3)", f"PATCH /special-events/{ID}", {"price": 3}),
        Call("delete_special_event(UUID(int=7))", f"DELETE /special-events/{ID}"),
        Call(
            f"buy_museum_tickets({TICKET})",
            "POST /tickets",
            {"ticketType": "general", "ticketDate": "2030-05-04", "email": "ada@example.org"},
        ),
        Call("get_ticket_code(UUID(int=7))", f"GET /tickets/{ID}/qr"),
    ],
    "petstore": [
        Call(
            "update_pet(name='Rex', photo_urls=['https://example.org/rex.png'], category={'id': 1, 'name': 'Dogs'})",
            "PUT /pet",
            PET,
        ),
        Call(
            "add_pet(name='Rex', photo_urls=['https://example.org/rex.png'], category={'id': 1, 'name': 'Dogs'})",
            "POST /pet",
            PET,
        ),
        Call("find_pets_by_status(status='sold')", "GET /pet/findByStatus?status=sold"),
        Call("find_pets_by_tags(tags=['a', 'b c'])", "GET /pet/findByTags?tags=a&tags=b%20c"),
        Call("get_pet_by_id(7)", "GET /pet/7"),
        Call("update_pet_with_form(7, name='Rex', status='sold')", "POST /pet/7?name=Rex&status=sold"),
        Call("delete_pet(7)", "DELETE /pet/7"),
        Call("get_inventory()", "GET /store/inventory"),
        Call(
            "place_order(pet_id=7, quantity=1, ship_date=datetime(2030, 5, 4, tzinfo=timezone.utc), complete=False)",
            "POST /store/order",
            {"petId": 7, "quantity": 1, "shipDate": "2030-05-04T00:00:00.000Z", "complete": False},
        ),
        Call("get_order_by_id(7)", "GET /store/order/7"),
        Call("delete_order(7)", "DELETE /store/order/7"),
        Call(f"create_user({USER})", "POST /user", TYPED_USER),
        Call(
            "create_users_with_list_input(body=[{'username': 'ada'}])",
            "POST /user/createWithList",
            [{"username": "ada"}],
        ),
        Call("login_user(username='ada', password='a&b')", "GET /user/login?username=ada&password=a%26b"),
        Call("logout_user()", "GET /user/logout"),
        Call("get_user_by_name('ada')", "GET /user/ada"),
        Call(f"update_user('old', {USER})", "PUT /user/old", TYPED_USER),
        Call("delete_user('ada')", "DELETE /user/ada"),
    ],
    "trains": [
        Call("get_stations(near='52.5,13.4', country='DE')", "GET /stations?near=52.5%2C13.4&country=DE"),
        Call(
            "get_trips(origin=UUID(int=7), destination=UUID(int=7), bicycles=True, "
            "date=datetime(2030, 5, 4, 8, tzinfo=timezone(timedelta(hours=-4))))",
            f"GET /trips?origin={ID}&destination={ID}&date=2030-05-04T12%3A00%3A00.000Z&bicycles=true",
        ),
        Call("get_bookings(page=2)", "GET /bookings?page=2"),
        Call(
            "create_booking(trip_id=UUID(int=7), has_bicycle=True)",
            "POST /bookings",
            {"trip_id": ID, "has_bicycle": True},
        ),
        Call("get_booking(UUID(int=7))", f"GET /bookings/{ID}"),
        Call("delete_booking(UUID(int=7))", f"DELETE /bookings/{ID}"),
        Call(
            f"create_booking_payment(UUID(int=7), amount=1.5, currency='eur', source={CARD!r})",
            f"POST /bookings/{ID}/payment",
            {"amount": 1.5, "currency": "eur", "source": CARD},
        ),
    ],
}
"""By the name of the file."""
