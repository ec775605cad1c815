"""The page of a surrogate in the plane, in a browser: a box whose corner is not at 0, and a brush on it."""

import threading
import time

import numpy as np
import pytest
import uvicorn
from selenium.webdriver import ActionChains

from mlft.serving.app import Door, Service, application
from mlft.serving.limits import Limits
from served import a_served, waited


@pytest.fixture
def address(tmp_path):
    """A served run in the plane, from a thread of this process, at any free port."""
    service = Service(a_served(tmp_path), Door(Limits(), None, True))
    made = application(service, started=lambda: None)
    server = uvicorn.Server(uvicorn.Config(made, port=0, log_level="critical", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.browser
def test_a_brush_changes_the_input_where_it_is_put(address, browser):
    def seen(script):
        return browser.execute_script(f"return {script}")

    def after(act):
        """Return once an act has been answered."""
        before = seen("Number(document.body.dataset.answers ?? 0)")
        act()
        return waited(lambda: seen("Number(document.body.dataset.answers ?? 0)") > before)

    def pixels(name):
        """Return the colours of a canvas, as drawn, (rows, columns, 4)."""
        canvas = f"document.querySelector('#{name} canvas, canvas#{name}')"
        given = seen(
            f"(() => {{ const c = {canvas}; return [c.width, c.height, Array.from(c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data)]; })()"
        )
        return np.array(given[2]).reshape(given[1], given[0], 4)

    browser.get(f"{address}/")
    waited(lambda: seen("Number(document.body.dataset.answers ?? 0)") > 0)
    assert seen("document.getElementById('height').textContent") == "2.78"  # of 2 to 3.5
    canvas = browser.find_element("css selector", "#input canvas, canvas#input")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)  # offsets are from what is in view
    before = pixels("input")
    place = (0.25, 0.75)  # of the width and the height of the picture, from its upper left corner
    left, right, top, bottom = 44, 10, 6, 78
    size = canvas.size["width"] - left - right, canvas.size["height"] - top - bottom
    x, y = (left + place[0] * size[0] - canvas.size["width"] / 2, top + place[1] * size[1] - canvas.size["height"] / 2)
    after(lambda: ActionChains(browser).move_to_element_with_offset(canvas, int(x), int(y)).click().perform())
    changed = np.abs(pixels("input").astype(int) - before).sum(axis=2)
    inside = changed[top : top + int(size[1]), left : left + int(size[0])]
    rows, columns = np.nonzero(inside > inside.max() / 2)
    assert abs(np.mean(columns) / size[0] - place[0]) < 0.08 and abs(np.mean(rows) / size[1] - place[1]) < 0.08
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
