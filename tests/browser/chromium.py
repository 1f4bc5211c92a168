"""A page in Debian's Chromium, without a window."""

import json
from contextlib import contextmanager
from shutil import which

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait


@contextmanager
def chromium():
    """A driver of Chromium that keeps a log of what it says, and of what it asks for."""
    options = webdriver.ChromeOptions()
    options.binary_location = which("chromium")
    for option in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver, path, width=1280, height=800, **media):
    """Open the page at `path`; media: what its style sheet may ask for, such as a colour scheme.

    Nothing glides, so that what is clicked on stands still.
    """
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    features.append({"name": "prefers-reduced-motion", "value": "reduce"})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(path.as_uri())


def requests(driver):
    """Addresses that were asked for since `show`."""
    events = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    sent = (event for event in events if event["method"] == "Network.requestWillBeSent")
    return [event["params"]["request"]["url"] for event in sent]


def until(driver, expression):
    """Wait until an expression of JavaScript is true; what it is."""
    return WebDriverWait(driver, 10).until(lambda d: d.execute_script(f"return {expression}"))


def click(driver, element):
    """Click on an element that stands in the middle of the window, below no head."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()
